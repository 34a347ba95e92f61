SELECT happened_at, actor, address, action, conversation_id, messages
FROM audit
WHERE tenant_id = $1 AND ($2::timestamptz IS NULL OR happened_at >= $2::timestamptz)
ORDER BY audit_key DESC
LIMIT $3
