SELECT tombstone_key FROM tenant WHERE tenant_id = $1
