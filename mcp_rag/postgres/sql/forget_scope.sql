-- The messages that a `forget` means, locked against ingests of their conversations.
SELECT conversation.conversation_key, conversation.conversation_id, message.message_key, message.identity
FROM conversation
LEFT JOIN message USING (tenant_id, conversation_key)
WHERE conversation.tenant_id = $1
    AND ($2::text[] IS NULL OR conversation.conversation_id = ANY ($2::text[]))
    AND ($3::text IS NULL OR conversation.source = $3::text)
    AND ($4::integer IS NULL OR message.position = $4::integer)
ORDER BY conversation.conversation_key
FOR UPDATE OF conversation
