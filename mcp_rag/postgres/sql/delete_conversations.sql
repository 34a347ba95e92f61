DELETE FROM conversation WHERE tenant_id = $1 AND conversation_key = ANY ($2::bigint[])
