INSERT INTO embedding (tenant_id, passage_key, model_key, vector, reply, recipe)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id, passage_key, model_key)
DO UPDATE SET vector = excluded.vector, reply = excluded.reply, recipe = excluded.recipe
