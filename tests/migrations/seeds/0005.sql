INSERT INTO api_token (tenant_id, public_id, digest, name, scopes, expires_at, revoked_at, used_at)
VALUES (1, 'abc', 'digest', 'ci', '{read,write}', '2027-01-01', '2026-05-01', '2026-04-01');
INSERT INTO audit (tenant_id, actor, address, action, conversation_key, digest, messages)
VALUES (1, 'ci', '127.0.0.1', 'ingest', 1, 'd', 2), (2, 'local', NULL, 'forget', NULL, 'e', 1);
