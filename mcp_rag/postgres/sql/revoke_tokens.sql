-- By the part that may be shown, or by name, which two may share while one takes over from the other.
UPDATE api_token SET revoked_at = now()
WHERE tenant_id = $1 AND (public_id = $2 OR name = $2) AND revoked_at IS NULL
RETURNING public_id
