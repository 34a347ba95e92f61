SELECT tokens FROM token_use WHERE tenant_id = $1 AND day = $2
