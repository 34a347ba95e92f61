-- Of the conversation with the id $2: its passages, those with a vector that model $3 made by recipe $4, and those
-- without one that are set aside after $5 tries. No row where there is no such conversation.
SELECT count(passage.passage_key) AS passages,
    count(embedding.passage_key) AS embedded,
    count(failed.passage_key) FILTER (WHERE embedding.passage_key IS NULL) AS set_aside
FROM conversation
LEFT JOIN passage USING (tenant_id, conversation_key)
LEFT JOIN embedding
    ON embedding.tenant_id = $1 AND embedding.passage_key = passage.passage_key
    AND embedding.model_key = $3::smallint AND embedding.recipe = $4
LEFT JOIN embedding_failure failed
    ON failed.tenant_id = $1 AND failed.passage_key = passage.passage_key
    AND failed.model_key = $3::smallint AND failed.tries >= $5
WHERE conversation.tenant_id = $1 AND conversation_id = $2
GROUP BY conversation.conversation_key
