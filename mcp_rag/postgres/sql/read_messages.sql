SELECT message.position, message.speaker, message.sent_at, message.text
FROM message
JOIN conversation USING (tenant_id, conversation_key)
WHERE tenant_id = $1 AND conversation_id = $2 AND position >= $3 AND position <= coalesce($4::integer, position)
ORDER BY position
LIMIT $5
