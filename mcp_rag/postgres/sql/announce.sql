-- Once this is committed, whoever listens hears that there may be work for a tenant, and what has changed there:
-- its number, and marks. Nothing is said twice in one transaction, and nothing of one that fails.
SELECT pg_notify('mcp_rag_waiting', concat_ws(' ', $1::bigint, said)) FROM unnest($2::text[]) AS said
