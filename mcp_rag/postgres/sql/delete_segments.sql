-- The segments of a conversation from the one on that has message $3, or would have it; gives where they began.
DELETE FROM segment
WHERE tenant_id = $1 AND conversation_key = $2 AND first >= coalesce((
    SELECT max(first) FROM segment WHERE tenant_id = $1 AND conversation_key = $2 AND first <= $3
), 0)
RETURNING first
