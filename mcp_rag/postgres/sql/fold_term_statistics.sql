-- Many entries of a term become one. Sums are the same before, during and after; entries that other
-- transactions have not committed yet stay for the next time.
WITH crowded AS (
    SELECT term FROM term_statistic WHERE tenant_id = $1 GROUP BY term HAVING count(*) > 1
), folded AS (
    DELETE FROM term_statistic
    USING crowded
    WHERE term_statistic.tenant_id = $1 AND term_statistic.term = crowded.term
    RETURNING term_statistic.term, term_statistic.passages
)
INSERT INTO term_statistic (tenant_id, term, passages)
SELECT $1, term, sum(passages) FROM folded GROUP BY term HAVING sum(passages) <> 0
