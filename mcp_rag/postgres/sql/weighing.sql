SELECT revision, index_version, average_length FROM weighing WHERE tenant_id = $1
