-- Whoever comes with the same key meanwhile waits here until this transaction ends. After a day it is free again.
INSERT INTO idempotency_key AS known (tenant_id, key, digest)
VALUES ($1, $2, $3)
ON CONFLICT (tenant_id, key) DO UPDATE
SET digest = excluded.digest, receipt = NULL, conversation_key = NULL, created_at = now()
WHERE known.created_at < now() - interval '24 hours'
RETURNING true AS claimed
