-- Once a minute at most: who reads often must not write as often.
UPDATE api_token SET used_at = now()
WHERE tenant_id = $1 AND token_key = $2 AND (used_at IS NULL OR used_at < now() - interval '1 minute')
