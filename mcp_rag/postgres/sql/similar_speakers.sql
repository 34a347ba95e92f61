-- Speakers to complete a beginning, in the order of the alphabet, each as one of their messages has the name.
-- Each is looked up by the one before it: there are few of them, and many passages.
WITH RECURSIVE known AS (
    SELECT min(speaker) AS speaker FROM passage WHERE tenant_id = $1
    UNION ALL
    SELECT (SELECT min(passage.speaker) FROM passage WHERE tenant_id = $1 AND passage.speaker > known.speaker)
    FROM known
    WHERE known.speaker IS NOT NULL
), found AS (
    SELECT speaker FROM known WHERE starts_with(speaker, lower($2)) LIMIT $3
)
SELECT written.speaker AS value
FROM found, LATERAL (
    SELECT message.speaker
    FROM passage
    JOIN message USING (tenant_id, message_key)
    WHERE passage.tenant_id = $1 AND passage.speaker = found.speaker
    LIMIT 1
) AS written
