-- Of each measure, what the $1 tenants with the most have, by name, and all others together, under ''; tokens are
-- those of the day $2.
SELECT measure, tenant, amount FROM tenant_usage($1, $2)
