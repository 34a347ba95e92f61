-- The passages that match a question by words or by meaning, with both scores for each, in one round trip.
--
-- $1 tenant        $2 what each of its terms adds to a score: its rarity, as often as it occurs    $3 the terms
-- $4 its vector, or null while there is no model    $5 the model that made it
-- $6 conversation id   $7 source   $8 tags   $9 speaker   $10 since   $11 until      null: no such filter
-- $12 depth: passages that each leg may contribute
-- $13, $14 entries that select the passages to score by words: any of these, all of these three by three
-- $15 the most passages that are scored by words
-- $16 the largest scope that is scanned exactly; beyond it the vector index answers
-- $17 passages that are scored whatever the legs find
-- {dimensions}: of the model, an integer that this package writes
WITH corpus AS MATERIALIZED (
    SELECT coalesce(sum(passages), 0)::float8 AS passages
    FROM term_statistic
    WHERE tenant_id = $1 AND term = 0
), filter AS MATERIALIZED (
    SELECT CASE WHEN $6::text IS NOT NULL OR $7::text IS NOT NULL OR $8::text[] IS NOT NULL THEN (
            SELECT coalesce(array_agg(conversation_key), '{}')
            FROM conversation
            WHERE tenant_id = $1
                AND ($6::text IS NULL OR conversation_id = $6::text)
                AND ($7::text IS NULL OR source = $7::text)
                AND ($8::text[] IS NULL OR tags @> $8::text[])
        ) END AS conversations,
        coalesce($6::text, $7::text, $9::text) IS NOT NULL OR $8::text[] IS NOT NULL
            OR coalesce($10::timestamptz, $11::timestamptz) IS NOT NULL AS present
), scope AS MATERIALIZED (
    -- One branch for each index that may lead: `IS NULL OR` would let none of them.
    (
        SELECT passage.passage_key
        FROM unnest((SELECT conversations FROM filter)) AS wanted (conversation_key)
        JOIN passage ON passage.tenant_id = $1 AND passage.conversation_key = wanted.conversation_key
        WHERE ($9::text IS NULL OR speaker = $9::text)
            AND ($10::timestamptz IS NULL OR sent_at >= $10::timestamptz)
            AND ($11::timestamptz IS NULL OR sent_at < $11::timestamptz)
        LIMIT $16::integer + 1
    )
    UNION ALL
    (
        SELECT passage_key
        FROM passage
        WHERE (SELECT conversations IS NULL FROM filter) AND tenant_id = $1 AND speaker = $9::text
            AND ($10::timestamptz IS NULL OR sent_at >= $10::timestamptz)
            AND ($11::timestamptz IS NULL OR sent_at < $11::timestamptz)
        LIMIT $16::integer + 1
    )
    UNION ALL
    (
        SELECT passage_key
        FROM passage
        WHERE (SELECT present AND conversations IS NULL FROM filter) AND $9::text IS NULL AND tenant_id = $1
            AND sent_at >= coalesce($10::timestamptz, '-infinity')
            AND sent_at < coalesce($11::timestamptz, 'infinity')
        LIMIT $16::integer + 1
    )
), route AS MATERIALIZED (
    SELECT filter.present AND size.passages <= $16::integer AS listed,
        NOT filter.present AND size.passages <= $16::integer AS whole,
        size.passages > $16::integer AS large
    FROM filter, corpus, LATERAL (
        SELECT CASE WHEN filter.present THEN (SELECT count(*) FROM scope) ELSE corpus.passages END AS passages
    ) AS size
), lexical AS MATERIALIZED (
    (
        SELECT scope.passage_key
        FROM scope, LATERAL (
            SELECT weights FROM passage WHERE tenant_id = $1 AND passage_key = scope.passage_key OFFSET 0
        ) AS passage
        WHERE (SELECT listed FROM route) AND passage.weights <#> $2::sparsevec < 0
        ORDER BY passage.weights <#> $2::sparsevec, scope.passage_key
        LIMIT $12::integer
    )
    UNION ALL
    SELECT leg.passage_key
    FROM lexical_leg(
        $2::sparsevec, $13::integer[], $14::integer[], (SELECT conversations FROM filter),
        $9::text, $10::timestamptz, $11::timestamptz, $12::integer, $15::integer
    ) AS leg
    WHERE NOT (SELECT listed FROM route)
), dense AS MATERIALIZED (
    -- By similarity, which no index can order by: these two are exact, to the last of equals.
    (
        SELECT passage_key
        FROM embedding
        WHERE (SELECT whole FROM route) AND tenant_id = $1 AND model_key = $5::smallint
            AND $4::halfvec IS NOT NULL
        ORDER BY 1 - (vector::halfvec({dimensions}) <=> $4::halfvec({dimensions})) DESC, passage_key
        LIMIT $12::integer
    )
    UNION ALL
    (
        SELECT scope.passage_key
        FROM scope, LATERAL (
            SELECT vector FROM embedding
            WHERE tenant_id = $1 AND passage_key = scope.passage_key AND model_key = $5::smallint OFFSET 0
        ) AS embedding
        WHERE (SELECT listed FROM route) AND $4::halfvec IS NOT NULL
        ORDER BY 1 - (vector::halfvec({dimensions}) <=> $4::halfvec({dimensions})) DESC, scope.passage_key
        LIMIT $12::integer
    )
    UNION ALL
    -- By distance: the index with iterative scan, which yields the nearest it knows of, not the nearest. What
    -- a filter leaves of them is few and far apart, so more are taken than are wanted. And by similarity again,
    -- for by distance they would be taken to be in order.
    (
        SELECT nearest.passage_key
        FROM (
            SELECT embedding.passage_key,
                embedding.vector::halfvec({dimensions}) <=> $4::halfvec({dimensions}) AS distance
            FROM embedding JOIN passage USING (tenant_id, passage_key)
            WHERE (SELECT large FROM route) AND embedding.tenant_id = $1 AND embedding.model_key = $5::smallint
                AND $4::halfvec IS NOT NULL AND vector_dims(embedding.vector) = {dimensions}
                AND ((SELECT conversations FROM filter) IS NULL
                    OR passage.conversation_key = ANY ((SELECT conversations FROM filter)::bigint[]))
                AND ($9::text IS NULL OR passage.speaker = $9::text)
                AND ($10::timestamptz IS NULL OR passage.sent_at >= $10::timestamptz)
                AND ($11::timestamptz IS NULL OR passage.sent_at < $11::timestamptz)
            ORDER BY embedding.vector::halfvec({dimensions}) <=> $4::halfvec({dimensions})
            LIMIT 8 * $12::integer
        ) AS nearest
        ORDER BY 1 - nearest.distance DESC, nearest.passage_key
        LIMIT $12::integer
    )
), candidate AS (
    SELECT passage_key, bool_or(leg = 'words') AS by_words, bool_or(leg = 'meaning') AS by_meaning
    FROM (
        SELECT passage_key, 'words' AS leg FROM lexical
        UNION ALL
        SELECT passage_key, 'meaning' FROM dense
        UNION ALL
        SELECT passage_key, 'asked for' FROM unnest($17::bigint[]) AS wanted (passage_key)
    ) AS found
    GROUP BY passage_key
)
SELECT candidate.passage_key, message.message_key, conversation.conversation_key, conversation.conversation_id,
    conversation.title, message.position, message.speaker, message.sent_at,
    substr(message.text, passage.start + 1, passage.stop - passage.start) AS text,
    ARRAY(SELECT term FROM unnest($3::integer[]) AS term WHERE term = ANY (passage.terms)) AS matched,
    -(passage.weights <#> $2::sparsevec) AS lexical, segment.lexical AS segment,
    embedding.similarity, embedding.reply, candidate.by_words, candidate.by_meaning
FROM candidate
-- OFFSET 0 keeps these lookups by key: a misjudged number of candidates would make them scans of all rows.
CROSS JOIN LATERAL (
    SELECT * FROM passage WHERE tenant_id = $1 AND passage_key = candidate.passage_key OFFSET 0
) AS passage
CROSS JOIN LATERAL (
    SELECT * FROM message WHERE tenant_id = $1 AND message_key = passage.message_key OFFSET 0
) AS message
CROSS JOIN LATERAL (
    SELECT * FROM conversation WHERE tenant_id = $1 AND conversation_key = passage.conversation_key OFFSET 0
) AS conversation
LEFT JOIN LATERAL (
    SELECT -(weights <#> $2::sparsevec) AS lexical
    FROM segment
    WHERE tenant_id = $1 AND conversation_key = passage.conversation_key AND first <= message.position
    ORDER BY first DESC
    LIMIT 1
) AS segment ON true
LEFT JOIN LATERAL (
    SELECT 1 - (vector::halfvec({dimensions}) <=> $4::halfvec({dimensions})) AS similarity,
        1 - (reply::halfvec({dimensions}) <=> $4::halfvec({dimensions})) AS reply
    FROM embedding
    WHERE tenant_id = $1 AND passage_key = candidate.passage_key AND model_key = $5::smallint
    OFFSET 0
) AS embedding ON true
