-- Sources to complete a beginning, those of the most conversations first.
SELECT source AS value
FROM conversation
WHERE tenant_id = $1 AND starts_with(lower(source), lower($2))
GROUP BY source
ORDER BY count(*) DESC, source
LIMIT $3
