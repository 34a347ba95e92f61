SELECT find_tenant($1::text)
