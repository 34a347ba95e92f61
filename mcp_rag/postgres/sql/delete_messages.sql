DELETE FROM message WHERE tenant_id = $1 AND message_key = ANY ($2::bigint[])
