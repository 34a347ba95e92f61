SELECT tenant_ids()
