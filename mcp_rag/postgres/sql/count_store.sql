SELECT (SELECT count(*) FROM conversation WHERE tenant_id = $1) AS conversations,
    (SELECT coalesce(sum(message_count), 0) FROM conversation WHERE tenant_id = $1) AS messages,
    (SELECT count(*) FROM passage WHERE tenant_id = $1) AS passages,
    (SELECT count(*) FROM embedding WHERE tenant_id = $1 AND model_key = $2::smallint AND recipe = $3) AS vectors
