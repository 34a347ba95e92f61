SELECT digest, receipt FROM idempotency_key WHERE tenant_id = $1 AND key = $2
