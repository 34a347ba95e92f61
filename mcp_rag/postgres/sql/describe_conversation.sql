-- A value that is not given keeps the stored one.
UPDATE conversation
SET title = coalesce($3, title), source = coalesce($4, source), kind = coalesce($5, kind),
    tags = coalesce($6::text[], tags)
WHERE tenant_id = $1 AND conversation_key = $2
RETURNING title, kind, language
