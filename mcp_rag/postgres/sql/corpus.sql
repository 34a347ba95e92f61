SELECT coalesce(sum(passages) FILTER (WHERE term = 0), 0)::bigint AS passages,
    coalesce(sum(passages) FILTER (WHERE term = -1), 0)::bigint AS words
FROM term_statistic
WHERE tenant_id = $1 AND term IN (0, -1)
