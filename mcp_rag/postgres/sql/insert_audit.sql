INSERT INTO audit (tenant_id, actor, address, action, conversation_key, digest, messages)
SELECT $1, $2, $3, $4, conversation_key, digest, messages
FROM unnest($5::bigint[], $6::bytea[], $7::integer[]) AS did (conversation_key, digest, messages)
