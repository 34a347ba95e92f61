-- The conversation, by its key, may be gone already: what is forgotten is answered, too.
UPDATE idempotency_key
SET receipt = $3,
    conversation_key = (
        SELECT conversation_key FROM conversation WHERE tenant_id = $1 AND conversation_key = $4
    )
WHERE tenant_id = $1 AND key = $2
