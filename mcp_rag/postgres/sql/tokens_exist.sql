-- Whether anybody has a token that was not revoked.
SELECT tokens_exist()
