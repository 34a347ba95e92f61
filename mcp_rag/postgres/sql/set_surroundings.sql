UPDATE conversation
SET surroundings = $3, language = coalesce($4::text, language)
WHERE tenant_id = $1 AND conversation_key = $2
