-- The passages that follow the messages at positions $3 wait again: they were embedded with the text before them,
-- or without it because it was of another time, which may have changed. Waits for a worker that has one of them in
-- hand, so that what it makes of the old text is there to be deleted.
UPDATE passage
SET waiting_since = now()
FROM message
WHERE passage.tenant_id = $1 AND message.tenant_id = $1
    AND passage.message_key = message.message_key
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
RETURNING passage.passage_key
