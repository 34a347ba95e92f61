-- What the conversation's row says of its messages. $3: whether they changed.
UPDATE conversation
SET message_count = held.messages, started_at = held.started_at, ended_at = held.ended_at,
    updated_at = CASE WHEN $3::boolean THEN now() ELSE updated_at END
FROM (
    SELECT count(*) AS messages, min(sent_at) AS started_at, max(sent_at) AS ended_at
    FROM message
    WHERE tenant_id = $1 AND conversation_key = $2
) AS held
WHERE conversation.tenant_id = $1 AND conversation_key = $2
RETURNING message_count
