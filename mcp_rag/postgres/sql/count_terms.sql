-- In how many passages of these messages each term occurs; 0 and -1 are the passages and their words in all.
SELECT term, count(*) AS passages
FROM passage, unnest(terms) AS term
WHERE tenant_id = $1 AND message_key = ANY ($2::bigint[])
GROUP BY term
UNION ALL
SELECT 0, count(*) FROM passage WHERE tenant_id = $1 AND message_key = ANY ($2::bigint[])
UNION ALL
SELECT -1, coalesce(sum(length), 0) FROM passage WHERE tenant_id = $1 AND message_key = ANY ($2::bigint[])
