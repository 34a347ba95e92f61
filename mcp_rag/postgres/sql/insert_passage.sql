INSERT INTO passage
    (tenant_id, conversation_key, message_key, start, stop, context, speaker, sent_at, terms, weights, length,
    weighing)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
