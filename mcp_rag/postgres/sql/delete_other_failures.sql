DELETE FROM embedding_failure WHERE tenant_id = $1 AND model_key <> $2::smallint
