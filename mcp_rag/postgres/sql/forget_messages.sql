-- The messages that a `forget` means. A statement of its own, after the lock: it must see what an ingest that
-- held it has written.
SELECT conversation_key, message_key, identity, position
FROM message
WHERE tenant_id = $1 AND conversation_key = ANY ($2::bigint[])
    AND ($3::integer IS NULL OR position = $3::integer)
