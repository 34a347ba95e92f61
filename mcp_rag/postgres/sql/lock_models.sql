SELECT pg_advisory_xact_lock(hashtextextended('mcp_rag.model', 0))
