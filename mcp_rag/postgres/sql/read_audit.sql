-- The newest first; with $3, of the conversation whose id has this hash, forgotten or not.
SELECT audit.happened_at, audit.actor, audit.address, audit.action, conversation.conversation_id, audit.messages
FROM audit LEFT JOIN conversation USING (tenant_id, conversation_key)
WHERE tenant_id = $1 AND ($2::timestamptz IS NULL OR audit.happened_at >= $2::timestamptz)
    AND ($3::bytea IS NULL OR audit.digest = $3::bytea)
ORDER BY audit.audit_key DESC
LIMIT $4
