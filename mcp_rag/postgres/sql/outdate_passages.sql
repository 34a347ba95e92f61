-- The passages of a conversation are work to be done, as if they were indexed under an earlier weighing.
UPDATE passage SET weighing = 0 WHERE tenant_id = $1 AND conversation_key = $2
