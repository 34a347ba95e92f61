-- In how many passages each of these entries occurs; what is in none is left out.
SELECT term, sum(passages)::bigint AS passages
FROM term_statistic
WHERE tenant_id = $1 AND term = ANY ($2::integer[])
GROUP BY term
