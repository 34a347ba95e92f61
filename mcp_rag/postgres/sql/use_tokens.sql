INSERT INTO token_use (tenant_id, day, tokens)
VALUES ($1, $2, $3)
ON CONFLICT (tenant_id, day) DO UPDATE SET tokens = token_use.tokens + excluded.tokens
