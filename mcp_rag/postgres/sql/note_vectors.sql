-- What is found by meaning has changed in the conversations of these passages.
INSERT INTO change (tenant_id, bucket, changes)
SELECT DISTINCT $1::bigint, conversation_key % 64, 1
FROM passage
WHERE tenant_id = $1 AND passage_key = ANY ($2::bigint[])
