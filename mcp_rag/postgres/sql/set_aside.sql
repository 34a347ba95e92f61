-- The passages that model $2 could not embed in $3 tries, the latest first.
SELECT conversation_id, message.position, failure.error, failure.failed_at
FROM embedding_failure AS failure
JOIN passage USING (tenant_id, passage_key)
JOIN message USING (tenant_id, message_key)
JOIN conversation ON conversation.tenant_id = $1 AND conversation.conversation_key = message.conversation_key
WHERE failure.tenant_id = $1 AND failure.model_key = $2::smallint AND failure.tries >= $3
ORDER BY failure.failed_at DESC, failure.passage_key
LIMIT $4
