INSERT INTO weighing (tenant_id, revision, index_version, average_length) VALUES (1, 2, 1, 40.5), (2, 1, 1, 12);
UPDATE passage SET weighing = 2 WHERE tenant_id = 1;
