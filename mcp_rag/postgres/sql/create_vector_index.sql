-- {dimensions}: an integer that this package writes; vectors of other lengths have an index of their own.
CREATE INDEX IF NOT EXISTS embedding_{dimensions}
ON embedding USING hnsw ((vector::halfvec({dimensions})) halfvec_cosine_ops)
WITH (m = 24, ef_construction = 200)
WHERE vector_dims(vector) = {dimensions}
