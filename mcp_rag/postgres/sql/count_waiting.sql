-- How many of a tenant's passages have no vector of model $2 by recipe $3, and the earliest time at which one of
-- their conversations was changed.
SELECT count(*) AS passages, min(conversation.updated_at) AS since
FROM passage
JOIN conversation
    ON conversation.tenant_id = $1 AND conversation.conversation_key = passage.conversation_key
WHERE passage.tenant_id = $1
    AND NOT EXISTS (
        SELECT FROM embedding
        WHERE embedding.tenant_id = $1 AND embedding.passage_key = passage.passage_key
            AND embedding.model_key = $2::smallint AND embedding.recipe = $3
    )
