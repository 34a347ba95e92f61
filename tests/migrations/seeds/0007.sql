INSERT INTO embedding_failure (tenant_id, passage_key, model_key, tries, error, failed_at)
VALUES (1, 2, 1, 3, 'The model refused it.', '2026-03-03');
UPDATE passage SET waiting_since = '2026-03-01' WHERE tenant_id = 1;
