UPDATE passage
SET context = $3, terms = $4, weights = $5, length = $6, weighing = $7
WHERE tenant_id = $1 AND passage_key = $2
