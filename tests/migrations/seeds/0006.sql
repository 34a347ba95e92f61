INSERT INTO idempotency_key (tenant_id, key, digest, receipt, conversation_key)
VALUES (1, 'once', 'd', '{}', 1), (2, 'open', 'e', NULL, NULL);
