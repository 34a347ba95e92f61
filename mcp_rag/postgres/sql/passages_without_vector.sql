-- Work to be done, after passage $3; what another worker has taken is skipped. A conversation's title is
-- embedded with each of its passages: "It is 420 euros" means little alone.
SELECT passage.passage_key,
    coalesce(conversation.title || E'\n', '')
        || substr(message.text, passage.start + 1, passage.stop - passage.start) AS text
FROM passage
JOIN message ON message.tenant_id = $1 AND message.message_key = passage.message_key
JOIN conversation
    ON conversation.tenant_id = $1 AND conversation.conversation_key = passage.conversation_key
WHERE passage.tenant_id = $1 AND passage.passage_key > $3
    AND NOT EXISTS (
        SELECT FROM embedding
        WHERE embedding.tenant_id = $1 AND embedding.passage_key = passage.passage_key
            AND embedding.model_key = $2::smallint
    )
ORDER BY passage.passage_key
LIMIT $4
FOR UPDATE OF passage SKIP LOCKED
