-- Who answers to these names, in the conversations that $3 id, $4 source and $5 tags leave (null: all).
SELECT name, array_agg(DISTINCT speaker) AS speakers
FROM speaker_name
WHERE tenant_id = $1 AND name = ANY ($2::text[])
    -- Unless something is filtered no conversation is looked at: a name may be in all of them.
    AND (($3::text IS NULL AND $4::text IS NULL AND $5::text[] IS NULL) OR EXISTS (
        SELECT FROM conversation
        WHERE tenant_id = $1 AND conversation_key = speaker_name.conversation_key
            AND ($3::text IS NULL OR conversation_id = $3::text)
            AND ($4::text IS NULL OR source = $4::text)
            AND ($5::text[] IS NULL OR tags @> $5::text[])
    ))
GROUP BY name
