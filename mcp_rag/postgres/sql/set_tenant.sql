-- Until the end of the transaction, row-level security shows this tenant's rows and no others.
SELECT set_config('mcp_rag.tenant', $1::bigint::text, true)
