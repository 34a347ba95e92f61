-- Once this is committed, whoever embeds hears that there may be work for a tenant, and its number only.
SELECT pg_notify('mcp_rag_waiting', $1::bigint::text)
