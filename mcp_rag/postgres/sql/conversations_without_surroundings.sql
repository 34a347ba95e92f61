-- Work to be done; what another worker or an ingest holds is skipped.
SELECT conversation_key, title, kind, language
FROM conversation
WHERE tenant_id = $1 AND surroundings < $2 AND message_count > 0
ORDER BY surroundings, conversation_key
LIMIT $3
FOR UPDATE SKIP LOCKED
