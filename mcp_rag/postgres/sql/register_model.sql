INSERT INTO embedding_model (name, dimensions, fingerprint)
VALUES ($1, $2, $3)
ON CONFLICT (name, dimensions, fingerprint) DO UPDATE SET name = excluded.name
RETURNING model_key
