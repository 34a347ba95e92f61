INSERT INTO term_statistic (tenant_id, term, passages)
SELECT $1, change.*
FROM unnest($2::integer[], $3::bigint[]) AS change
