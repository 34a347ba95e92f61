-- The most recent first; $8 and $9 are where the page before ended.
SELECT conversation_key, conversation_id, title, source, kind, tags, message_count, started_at, ended_at,
    updated_at, recent_at
FROM conversation
WHERE tenant_id = $1
    AND ($2::text IS NULL OR strpos(lower(coalesce(title, '') || ' ' || conversation_id), lower($2::text)) > 0)
    AND ($3::text IS NULL OR source = $3::text)
    AND ($4::text[] IS NULL OR tags @> $4::text[])
    AND ($5::timestamptz IS NULL OR recent_at >= $5::timestamptz)
    AND ($6::timestamptz IS NULL OR recent_at < $6::timestamptz)
    AND ($8::timestamptz IS NULL OR (recent_at, conversation_key) < ($8::timestamptz, $9::bigint))
ORDER BY recent_at DESC, conversation_key DESC
LIMIT $7
