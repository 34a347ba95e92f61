-- What is found by meaning has changed in the conversations of these passages.
INSERT INTO change (tenant_id, bucket, changes)
SELECT $1, bucket, 1 + floor(random() * 4294967296)::bigint
FROM (
    SELECT DISTINCT conversation_key % 64 AS bucket
    FROM passage
    WHERE tenant_id = $1 AND passage_key = ANY ($2::bigint[])
) AS touched
