-- The segments of a conversation from the one on that has the message before $3, which may belong to it now;
-- gives where they began.
DELETE FROM segment
WHERE tenant_id = $1 AND conversation_key = $2 AND first >= coalesce((
    SELECT max(first) FROM segment WHERE tenant_id = $1 AND conversation_key = $2 AND first < $3
), 0)
RETURNING first
