SELECT conversation_key, conversation_id, title, source, kind, tags, message_count, started_at, ended_at, updated_at
FROM conversation
WHERE tenant_id = $1 AND conversation_id = $2
