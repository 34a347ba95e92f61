-- One process folds a tenant's statistics at a time.
SELECT pg_try_advisory_xact_lock(hashtextextended('mcp_rag.fold', $1::bigint))
