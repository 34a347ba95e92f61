-- The conversation as it is, made when it is new, and locked until the transaction ends: ingests of the same
-- conversation follow one another.
INSERT INTO conversation (tenant_id, conversation_id, kind)
VALUES ($1, $2, 'chat')
ON CONFLICT (tenant_id, conversation_id) DO UPDATE SET conversation_id = excluded.conversation_id
RETURNING conversation_key, title, message_count, xmax = 0 AS created
