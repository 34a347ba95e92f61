-- A live token by the part of it that may be shown, whichever tenant it is of.
SELECT tenant_id, token_key, name, scopes, digest, used_at FROM find_token($1::text)
