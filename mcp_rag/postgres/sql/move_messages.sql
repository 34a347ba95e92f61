UPDATE message
SET position = moved.position
FROM unnest($2::bigint[], $3::integer[]) AS moved (message_key, position)
WHERE message.tenant_id = $1 AND message.message_key = moved.message_key
