UPDATE message
SET digest = $3, speaker = $4, sent_at = $5, text = $6
WHERE tenant_id = $1 AND message_key = $2
