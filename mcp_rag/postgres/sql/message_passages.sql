-- The passages of message $3 of the conversation with the id $2, and whether model $4 has made a vector for each.
SELECT passage.passage_key, EXISTS (
        SELECT FROM embedding
        WHERE embedding.tenant_id = $1 AND embedding.passage_key = passage.passage_key
            AND embedding.model_key = $4::smallint
    ) AS embedded
FROM conversation
JOIN message USING (tenant_id, conversation_key)
JOIN passage USING (tenant_id, message_key)
WHERE conversation.tenant_id = $1 AND conversation_id = $2 AND message.position = $3
ORDER BY passage.start
