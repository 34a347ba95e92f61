INSERT INTO change (tenant_id, bucket, changes) VALUES (1, 1, 3), (1, 1, 4);
INSERT INTO token_use (tenant_id, day, tokens) VALUES (1, '2026-03-01', 1200);
