-- Ids to suggest when one is not found, or to complete a beginning: by id, then by title.
SELECT conversation_id AS value
FROM conversation
WHERE tenant_id = $1
    AND (starts_with(lower(conversation_id), lower($2)) OR strpos(lower(coalesce(title, '')), lower($2)) > 0
        OR strpos(lower(conversation_id), lower($2)) > 0)
ORDER BY starts_with(lower(conversation_id), lower($2)) DESC, recent_at DESC, conversation_id
LIMIT $3
