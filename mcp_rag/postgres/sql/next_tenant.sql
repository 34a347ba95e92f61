SELECT nextval('tenant_number')
