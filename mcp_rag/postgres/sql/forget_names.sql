DELETE FROM speaker_name WHERE tenant_id = $1 AND conversation_key = $2
