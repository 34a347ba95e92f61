-- A text that is another after every change of what $2 holds; null: of all that the tenant has.
SELECT concat_ws('.', asked.bucket, (
    SELECT coalesce(sum(changes), 0)
    FROM change
    WHERE tenant_id = $1 AND (asked.bucket IS NULL OR bucket = asked.bucket)
))
FROM (
    SELECT (
        SELECT conversation_key % 64 FROM conversation WHERE tenant_id = $1 AND conversation_id = $2::text
    ) AS bucket
) AS asked
