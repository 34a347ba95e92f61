INSERT INTO change (tenant_id, bucket, changes)
SELECT $1, conversation_key % 64, 1 FROM unnest($2::bigint[]) AS conversation_key
