-- Many entries of a bucket become one. Sums are the same before, during and after; entries that other
-- transactions have not committed yet stay for the next time.
WITH crowded AS (
    SELECT bucket FROM change WHERE tenant_id = $1 GROUP BY bucket HAVING count(*) > 1
), folded AS (
    DELETE FROM change
    USING crowded
    WHERE change.tenant_id = $1 AND change.bucket = crowded.bucket
    RETURNING change.bucket, change.changes
)
INSERT INTO change (tenant_id, bucket, changes)
SELECT $1, bucket, sum(changes) FROM folded GROUP BY bucket
