-- Whether vectors of this length have one that is whole: a build that was interrupted leaves one that is not.
SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('embedding_' || $1::integer) AND indisvalid)
