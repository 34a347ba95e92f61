INSERT INTO speaker_name (tenant_id, conversation_key, name, speaker)
SELECT $1, $2, * FROM unnest($3::text[], $4::text[])
ON CONFLICT DO NOTHING
