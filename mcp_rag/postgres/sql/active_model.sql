SELECT model_key, name, dimensions, fingerprint FROM embedding_model WHERE active
