SELECT to_regclass('embedding_' || $1::integer) IS NOT NULL
