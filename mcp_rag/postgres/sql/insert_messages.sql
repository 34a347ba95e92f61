INSERT INTO message (tenant_id, conversation_key, position, identity, digest, speaker, sent_at, text)
SELECT $1, $2, new.*
FROM unnest($3::integer[], $4::bytea[], $5::bytea[], $6::text[], $7::timestamptz[], $8::text[]) AS new
RETURNING position, message_key
