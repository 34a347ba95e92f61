-- The vectors of passages, by whatever model.
DELETE FROM embedding WHERE tenant_id = $1 AND passage_key = ANY ($2::bigint[])
