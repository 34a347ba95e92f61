-- By the schema's owner, who is under row-level security too: the tenant is set before.
INSERT INTO tenant (tenant_id, name, tombstone_key)
VALUES ($1, $2, uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
