SELECT identity, message_key, position, digest
FROM message
WHERE tenant_id = $1 AND conversation_key = $2
ORDER BY position
