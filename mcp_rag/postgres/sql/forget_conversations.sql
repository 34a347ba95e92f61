-- The conversations that a `forget` means, locked against ingests.
SELECT conversation_key, conversation_id
FROM conversation
WHERE tenant_id = $1
    AND ($2::text[] IS NULL OR conversation_id = ANY ($2::text[]))
    AND ($3::text IS NULL OR source = $3::text)
ORDER BY conversation_key
FOR UPDATE
