-- Work to be done, after passage $3; what another worker has taken is skipped, and what could not be embedded a
-- moment ago ($9), or $8 times, is left alone. A conversation's title is
-- embedded with each of its passages: "It is 420 euros" means little alone. For the same reason a message of a
-- chat is embedded a second time after the one before it, cut to its last $6 characters, unless $7 lies between.
SELECT passage.passage_key, text.alone AS text,
    coalesce(conversation.title || E'\n', '') || before.line || E'\n'
        || coalesce(message.speaker || ': ', '') || text.passage AS reply
FROM passage
JOIN message ON message.tenant_id = $1 AND message.message_key = passage.message_key
JOIN conversation
    ON conversation.tenant_id = $1 AND conversation.conversation_key = passage.conversation_key
CROSS JOIN LATERAL (
    SELECT cut AS passage, coalesce(conversation.title || E'\n', '') || cut AS alone
    FROM (SELECT substr(message.text, passage.start + 1, passage.stop - passage.start) AS cut) AS piece
) AS text
LEFT JOIN LATERAL (
    SELECT coalesce(earlier.speaker || ': ', '') || right(earlier.text, $6) AS line
    FROM (
        SELECT * FROM message AS previous
        WHERE previous.tenant_id = $1 AND previous.conversation_key = message.conversation_key
            AND previous.position < message.position
        ORDER BY previous.position DESC
        LIMIT 1
    ) AS earlier
    WHERE conversation.kind = 'chat' AND passage.start = 0
        AND NOT coalesce(message.sent_at - earlier.sent_at NOT BETWEEN -$7::interval AND $7::interval, false)
) AS before ON true
WHERE passage.tenant_id = $1 AND passage.passage_key > $3
    AND NOT EXISTS (
        SELECT FROM embedding
        WHERE embedding.tenant_id = $1 AND embedding.passage_key = passage.passage_key
            AND embedding.model_key = $2::smallint AND embedding.recipe = $5
    )
    AND NOT EXISTS (
        SELECT FROM embedding_failure AS failure
        WHERE failure.tenant_id = $1 AND failure.passage_key = passage.passage_key
            AND failure.model_key = $2::smallint
            AND (failure.tries >= $8 OR failure.failed_at > now() - $9::interval)
    )
ORDER BY passage.passage_key
LIMIT $4
FOR UPDATE OF passage SKIP LOCKED
