SELECT count(*) AS passages, (
        SELECT count(*)
        FROM embedding JOIN passage USING (tenant_id, passage_key)
        WHERE tenant_id = $1 AND message_key = ANY ($2::bigint[])
    ) AS vectors
FROM passage
WHERE tenant_id = $1 AND message_key = ANY ($2::bigint[])
