-- By a number that nobody can foresee: a sum that was once is not met again, not even by a store that was put
-- back to what it was and then went another way.
INSERT INTO change (tenant_id, bucket, changes)
SELECT $1, conversation_key % 64, 1 + floor(random() * 4294967296)::bigint
FROM unnest($2::bigint[]) AS conversation_key
