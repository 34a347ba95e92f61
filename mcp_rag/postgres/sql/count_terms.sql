-- In how many passages of these messages each entry occurs; 0 and -1 are the passages and their words in all.
-- They are locked: what is counted is what will be deleted, and nobody indexes it again in between.
WITH counted AS MATERIALIZED (
    SELECT terms, length FROM passage WHERE tenant_id = $1 AND message_key = ANY ($2::bigint[]) FOR UPDATE
)
SELECT term, count(*) AS passages
FROM counted, unnest(terms) AS term
GROUP BY term
UNION ALL
SELECT 0, count(*) FROM counted
UNION ALL
SELECT -1, coalesce(sum(length), 0) FROM counted
