SELECT public_id, name, scopes, created_at, expires_at, revoked_at, used_at
FROM api_token
WHERE tenant_id = $1
ORDER BY created_at, token_key
