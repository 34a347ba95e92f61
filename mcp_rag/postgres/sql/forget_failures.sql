-- Passages that could not be embedded are tried again: these, or all where $2 is null.
DELETE FROM embedding_failure
WHERE tenant_id = $1 AND ($2::bigint[] IS NULL OR passage_key = ANY ($2::bigint[]))
RETURNING passage_key
