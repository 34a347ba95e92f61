-- In one statement, so that every search sees either the model before or the model after.
UPDATE embedding_model SET active = (model_key = $1) WHERE active OR model_key = $1
