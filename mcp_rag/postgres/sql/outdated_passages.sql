-- Work to be done: passages that were indexed under an earlier weighing. What another worker or an ingest has
-- taken is skipped.
SELECT passage.passage_key, conversation.title, message.speaker, message.sent_at,
    substr(message.text, passage.start + 1, passage.stop - passage.start) AS text,
    conversation.language, passage.terms, passage.length
FROM passage
JOIN message ON message.tenant_id = $1 AND message.message_key = passage.message_key
JOIN conversation
    ON conversation.tenant_id = $1 AND conversation.conversation_key = passage.conversation_key
WHERE passage.tenant_id = $1 AND passage.weighing < $2
LIMIT $3
FOR NO KEY UPDATE OF passage SKIP LOCKED
