-- A value that is not given keeps the stored one.
UPDATE conversation
SET title = coalesce($3, before.title), source = coalesce($4, before.source), kind = coalesce($5, before.kind),
    tags = coalesce($6::text[], before.tags)
FROM (
    SELECT title, source, kind, tags FROM conversation WHERE tenant_id = $1 AND conversation_key = $2
) AS before
WHERE tenant_id = $1 AND conversation_key = $2
RETURNING conversation.title, conversation.kind, language,
    (conversation.title, conversation.source, conversation.kind, conversation.tags)
        IS DISTINCT FROM (before.title, before.source, before.kind, before.tags) AS changed
