-- Model $3 could not embed passage $2, once more.
INSERT INTO embedding_failure (tenant_id, passage_key, model_key, tries, error, failed_at)
VALUES ($1, $2, $3, 1, $4, clock_timestamp())
ON CONFLICT (tenant_id, passage_key, model_key)
DO UPDATE SET tries = embedding_failure.tries + 1, error = excluded.error, failed_at = excluded.failed_at
