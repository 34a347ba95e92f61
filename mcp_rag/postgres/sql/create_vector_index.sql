-- {dimensions}: an integer that this package writes; vectors of other lengths have an index of their own.
-- What is read and written meanwhile waits for nothing.
CREATE INDEX CONCURRENTLY IF NOT EXISTS embedding_{dimensions}
ON embedding USING hnsw ((vector::halfvec({dimensions})) halfvec_cosine_ops)
WITH (m = 24, ef_construction = 200)
WHERE vector_dims(vector) = {dimensions}
