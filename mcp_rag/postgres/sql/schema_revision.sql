SELECT version_num, obj_description('alembic_version'::regclass, 'pg_class') FROM alembic_version
