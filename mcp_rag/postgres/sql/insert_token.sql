INSERT INTO api_token (tenant_id, public_id, digest, name, scopes, expires_at)
VALUES ($1, $2, $3, $4, $5::text[], $6)
