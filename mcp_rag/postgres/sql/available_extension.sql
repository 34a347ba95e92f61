-- The pgvector that the database has, else the one that it could have.
SELECT coalesce(installed_version, default_version) FROM pg_available_extensions WHERE name = 'vector'
