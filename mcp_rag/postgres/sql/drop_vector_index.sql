-- {dimensions}: as in create_vector_index.sql.
DROP INDEX CONCURRENTLY IF EXISTS embedding_{dimensions}
