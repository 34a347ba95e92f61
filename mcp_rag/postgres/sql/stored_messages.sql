SELECT message_key, position, speaker, sent_at, text
FROM message
WHERE tenant_id = $1 AND conversation_key = $2
ORDER BY position
