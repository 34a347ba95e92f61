-- Who answers to these names, in the conversations that $3 id, $4 source and $5 tags leave (null: all).
SELECT name, array_agg(DISTINCT speaker) AS speakers
FROM speaker_name
JOIN conversation USING (tenant_id, conversation_key)
WHERE tenant_id = $1 AND name = ANY ($2::text[])
    AND ($3::text IS NULL OR conversation_id = $3::text)
    AND ($4::text IS NULL OR source = $4::text)
    AND ($5::text[] IS NULL OR tags @> $5::text[])
GROUP BY name
