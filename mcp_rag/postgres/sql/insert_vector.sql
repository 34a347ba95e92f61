INSERT INTO embedding (tenant_id, passage_key, model_key, vector)
VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING
