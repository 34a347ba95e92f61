-- From position $3 on.
SELECT message_key, position, speaker, sent_at, text
FROM message
WHERE tenant_id = $1 AND conversation_key = $2 AND position >= $3
ORDER BY position
