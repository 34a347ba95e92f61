INSERT INTO audit (tenant_id, actor, address, action, conversation_id, messages)
SELECT $1, $2, $3, $4, conversation_id, messages
FROM unnest($5::text[], $6::integer[]) AS did (conversation_id, messages)
