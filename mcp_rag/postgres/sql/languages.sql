-- The languages of a tenant's conversations. One step along the index for each: a plain DISTINCT would read
-- every conversation. So does, under row-level security, a step beyond the last: it is not taken.
WITH RECURSIVE spoken AS (
    SELECT min(coalesce(language, 'en')) AS language FROM conversation WHERE tenant_id = $1
    UNION ALL
    SELECT (
        SELECT min(coalesce(conversation.language, 'en'))
        FROM conversation
        WHERE tenant_id = $1 AND coalesce(conversation.language, 'en') > spoken.language
    )
    FROM spoken
    WHERE spoken.language < (SELECT max(coalesce(language, 'en')) FROM conversation WHERE tenant_id = $1)
)
SELECT language FROM spoken WHERE language IS NOT NULL
