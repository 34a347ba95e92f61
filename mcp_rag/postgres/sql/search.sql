-- The passages that match a question by words or by meaning, with both scores for each, in one round trip.
--
-- $1 tenant        $2 terms of the question    $3 how often each occurs in it
-- $4 its vector, or null while there is no model    $5 the model that made it
-- $6 conversation id   $7 source   $8 tags   $9 speaker   $10 since   $11 until      null: no such filter
-- $12 depth: passages that each leg may contribute
-- $13 postings that the question's rarest terms may select candidates from; all its terms weigh
-- $14 the largest scope that is scanned exactly; beyond it the vector index answers
-- {dimensions}: of the model, an integer that this package writes
WITH corpus AS MATERIALIZED (
    SELECT coalesce(sum(passages), 0)::float8 AS passages
    FROM term_statistic
    WHERE tenant_id = $1 AND term = 0
), weighted AS MATERIALIZED (
    SELECT term, found, postings,
        times * ln(1 + (greatest(corpus.passages - found, 0) + 0.5) / (found + 0.5)) AS weight
    FROM corpus, (
        SELECT asked.term, asked.times, coalesce(stored.found, 0) AS found,
            sum(coalesce(stored.found, 0)) OVER (ORDER BY coalesce(stored.found, 0), asked.term) AS postings
        FROM unnest($2::integer[], $3::integer[]) AS asked (term, times)
        LEFT JOIN (
            SELECT term, greatest(sum(passages), 0)::float8 AS found
            FROM term_statistic
            WHERE tenant_id = $1 AND term = ANY ($2::integer[])
            GROUP BY term
        ) AS stored USING (term)
    ) AS term
), question AS MATERIALIZED (
    SELECT ('{' || string_agg(term || ':' || weight, ',' ORDER BY term) || '}/1000000000')::sparsevec AS weights,
        sum(weight) AS mass,
        array_agg(term) FILTER (WHERE found > 0 AND (postings <= $13::integer OR postings = found)) AS candidates
    FROM weighted
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
        LIMIT $14::integer + 1
    )
    UNION ALL
    (
        SELECT passage_key
        FROM passage
        WHERE (SELECT conversations IS NULL FROM filter) AND tenant_id = $1 AND speaker = $9::text
            AND ($10::timestamptz IS NULL OR sent_at >= $10::timestamptz)
            AND ($11::timestamptz IS NULL OR sent_at < $11::timestamptz)
        LIMIT $14::integer + 1
    )
    UNION ALL
    (
        SELECT passage_key
        FROM passage
        WHERE (SELECT present AND conversations IS NULL FROM filter) AND $9::text IS NULL AND tenant_id = $1
            AND sent_at >= coalesce($10::timestamptz, '-infinity')
            AND sent_at < coalesce($11::timestamptz, 'infinity')
        LIMIT $14::integer + 1
    )
), route AS MATERIALIZED (
    SELECT filter.present AND size.passages <= $14::integer AS listed,
        NOT filter.present AND size.passages <= $14::integer AS whole,
        size.passages > $14::integer AS large
    FROM filter, corpus, LATERAL (
        SELECT CASE WHEN filter.present THEN (SELECT count(*) FROM scope) ELSE corpus.passages END AS passages
    ) AS size
), lexical AS MATERIALIZED (
    (
        SELECT scope.passage_key
        FROM scope, LATERAL (
            SELECT weights FROM passage WHERE tenant_id = $1 AND passage_key = scope.passage_key OFFSET 0
        ) AS passage
        WHERE (SELECT listed FROM route) AND passage.weights <#> (SELECT weights FROM question) < 0
        ORDER BY passage.weights <#> (SELECT weights FROM question)
        LIMIT $12::integer
    )
    UNION ALL
    SELECT leg.passage_key
    FROM (
        SELECT weights, candidates FROM question
        WHERE candidates IS NOT NULL AND NOT (SELECT listed FROM route)
    ) AS asked, LATERAL lexical_leg(
        asked.weights, asked.candidates, (SELECT conversations FROM filter),
        $9::text, $10::timestamptz, $11::timestamptz, $12::integer
    ) AS leg
), dense AS MATERIALIZED (
    -- By similarity, which no index can order by: these two are exact.
    (
        SELECT passage_key
        FROM embedding
        WHERE (SELECT whole FROM route) AND tenant_id = $1 AND model_key = $5::smallint
            AND $4::halfvec IS NOT NULL
        ORDER BY 1 - (vector::halfvec({dimensions}) <=> $4::halfvec({dimensions})) DESC
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
        ORDER BY 1 - (vector::halfvec({dimensions}) <=> $4::halfvec({dimensions})) DESC
        LIMIT $12::integer
    )
    UNION ALL
    -- By distance: the index with iterative scan.
    (
        SELECT embedding.passage_key
        FROM embedding JOIN passage USING (tenant_id, passage_key)
        WHERE (SELECT large FROM route) AND embedding.tenant_id = $1 AND embedding.model_key = $5::smallint
            AND $4::halfvec IS NOT NULL AND vector_dims(embedding.vector) = {dimensions}
            AND ((SELECT conversations FROM filter) IS NULL
                OR passage.conversation_key = ANY ((SELECT conversations FROM filter)::bigint[]))
            AND ($9::text IS NULL OR passage.speaker = $9::text)
            AND ($10::timestamptz IS NULL OR passage.sent_at >= $10::timestamptz)
            AND ($11::timestamptz IS NULL OR passage.sent_at < $11::timestamptz)
        ORDER BY embedding.vector::halfvec({dimensions}) <=> $4::halfvec({dimensions})
        LIMIT $12::integer
    )
), candidate AS (
    SELECT passage_key FROM lexical UNION SELECT passage_key FROM dense
)
SELECT candidate.passage_key, message.message_key, conversation.conversation_id, conversation.title,
    message.position, message.speaker, message.sent_at,
    substr(message.text, passage.start + 1, passage.stop - passage.start) AS text,
    coalesce(-(passage.weights <#> question.weights), 0) AS lexical,
    embedding.similarity,
    coalesce((
        SELECT sum(weight) FROM weighted WHERE term = ANY (passage.terms)
    ) / nullif(question.mass, 0), 0) AS coverage
FROM question, candidate
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
    SELECT 1 - (vector::halfvec({dimensions}) <=> $4::halfvec({dimensions})) AS similarity
    FROM embedding
    WHERE tenant_id = $1 AND passage_key = candidate.passage_key AND model_key = $5::smallint
    OFFSET 0
) AS embedding ON true
