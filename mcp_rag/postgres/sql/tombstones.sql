SELECT digest, forgotten_at FROM tombstone WHERE tenant_id = $1 AND digest = ANY ($2::bytea[])
