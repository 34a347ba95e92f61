-- The messages just before and after some, $4 on each side, by position.
SELECT wanted.conversation_key, wanted.position AS of, message.position, message.speaker, message.sent_at,
    message.text
FROM unnest($2::bigint[], $3::integer[]) AS wanted (conversation_key, position)
CROSS JOIN LATERAL (
    (
        SELECT * FROM message
        WHERE tenant_id = $1 AND conversation_key = wanted.conversation_key AND position < wanted.position
        ORDER BY position DESC
        LIMIT $4
    )
    UNION ALL
    (
        SELECT * FROM message
        WHERE tenant_id = $1 AND conversation_key = wanted.conversation_key AND position > wanted.position
        ORDER BY position
        LIMIT $4
    )
) AS message
ORDER BY wanted.conversation_key, wanted.position, message.position
