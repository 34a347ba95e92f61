-- A few at a time, and none that somebody else has in hand.
DELETE FROM idempotency_key
WHERE tenant_id = $1 AND key IN (
    SELECT key FROM idempotency_key
    WHERE tenant_id = $1 AND created_at < now() - interval '24 hours'
    ORDER BY created_at
    LIMIT 100
    FOR UPDATE SKIP LOCKED
)
