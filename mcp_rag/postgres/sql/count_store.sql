SELECT (SELECT count(*) FROM conversation WHERE tenant_id = $1) AS conversations,
    (SELECT coalesce(sum(message_count), 0) FROM conversation WHERE tenant_id = $1) AS messages,
    (SELECT count(*) FROM passage WHERE tenant_id = $1) AS passages,
    (SELECT count(*) FROM embedding WHERE tenant_id = $1 AND model_key = $2::smallint AND recipe = $3) AS vectors,
    (
        SELECT count(*) FROM embedding_failure WHERE tenant_id = $1 AND model_key = $2::smallint
    ) AS failed,
    (
        SELECT count(*)
        FROM embedding_failure
        WHERE tenant_id = $1 AND model_key = $2::smallint AND tries >= $4
    ) AS set_aside
