-- Processes of an older version leave alone what a newer one has decided.
INSERT INTO weighing (tenant_id, revision, index_version, average_length)
VALUES ($1, 1, $2, $3)
ON CONFLICT (tenant_id) DO UPDATE
SET revision = weighing.revision + 1, index_version = excluded.index_version,
    average_length = excluded.average_length
WHERE weighing.index_version <= excluded.index_version
RETURNING revision
