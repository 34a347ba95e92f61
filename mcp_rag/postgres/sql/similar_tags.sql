-- Tags to complete a beginning, those of the most conversations first.
SELECT tag AS value
FROM conversation, unnest(tags) AS tag
WHERE tenant_id = $1 AND starts_with(lower(tag), lower($2))
GROUP BY tag
ORDER BY count(*) DESC, tag
LIMIT $3
