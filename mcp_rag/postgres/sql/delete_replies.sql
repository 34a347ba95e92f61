-- The vectors of the messages that follow those at positions $3: they were made with the text before them, or
-- without it because it was of another time, which may have changed.
DELETE FROM embedding
USING passage, message
WHERE embedding.tenant_id = $1 AND passage.tenant_id = $1 AND message.tenant_id = $1
    AND embedding.passage_key = passage.passage_key AND passage.message_key = message.message_key
    AND passage.start = 0
    AND message.conversation_key = $2
    AND message.position IN (
        SELECT (
            SELECT min(later.position)
            FROM message AS later
            WHERE later.tenant_id = $1 AND later.conversation_key = $2 AND later.position > changed.position
        )
        FROM unnest($3::integer[]) AS changed (position)
    )
