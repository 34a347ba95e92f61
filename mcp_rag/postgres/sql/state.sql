-- A text that is another after every change of what $2 holds, or, where that is null, of all that the tenant
-- has; and another in every other database, by the tenant's own key, of which a digest tells nothing.
SELECT concat_ws(
    '.',
    (SELECT encode(sha256(tombstone_key), 'hex') FROM tenant WHERE tenant_id = $1),
    asked.bucket,
    (
        SELECT coalesce(sum(changes), 0)
        FROM change
        WHERE tenant_id = $1 AND (asked.bucket IS NULL OR bucket = asked.bucket)
    )
)
FROM (
    SELECT (
        SELECT conversation_key % 64 FROM conversation WHERE tenant_id = $1 AND conversation_id = $2::text
    ) AS bucket
) AS asked
