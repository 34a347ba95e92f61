INSERT INTO segment (tenant_id, conversation_key, first, last, weights) VALUES ($1, $2, $3, $4, $5)
