-- Of passages that were just locked, those that another worker had finished a moment before: the statement
-- that locked them looked at the embeddings of a moment before that.
SELECT passage_key
FROM embedding
WHERE tenant_id = $1 AND model_key = $2::smallint AND passage_key = ANY ($3::bigint[]) AND recipe = $4
