INSERT INTO tenant (tenant_id, name, tombstone_key) VALUES (2, 'other', '\x02');
INSERT INTO conversation (
    tenant_id, conversation_key, conversation_id, title, source, kind, tags, message_count, started_at, ended_at
) OVERRIDING SYSTEM VALUE VALUES
    (1, 1, 'trip', 'Trip', 'claude', 'chat', '{team}', 2, '2026-03-01', '2026-03-02'),
    (2, 2, 'trip', NULL, NULL, 'document', '{}', 1, NULL, NULL);
INSERT INTO message (
    tenant_id, message_key, conversation_key, position, identity, digest, speaker, sent_at, text
) OVERRIDING SYSTEM VALUE VALUES
    (1, 1, 1, 0, 'i0', 'd0', 'Ana', '2026-03-01', 'The tram to the harbour.'),
    (1, 2, 1, 1, 'i1', 'd1', NULL, NULL, 'Häfen, 港, ⚓.'),
    (2, 3, 2, 0, 'i0', 'd0', NULL, NULL, 'The boat.');
INSERT INTO passage (
    tenant_id, passage_key, conversation_key, message_key, start, stop, context, speaker, sent_at, terms, weights,
    length
) OVERRIDING SYSTEM VALUE VALUES
    (1, 1, 1, 1, 0, 24, 'Trip, Ana', 'Ana', '2026-03-01', '{7,9}', '{7:1.5,9:0.5}/1000000000', 5),
    (1, 2, 1, 2, 0, 12, 'Trip', NULL, NULL, '{11}', '{11:1}/1000000000', 3),
    (2, 3, 2, 3, 0, 9, '', NULL, NULL, '{7}', '{7:1}/1000000000', 2);
INSERT INTO embedding_model (name, dimensions, fingerprint, active) VALUES ('small', 3, 'f', true);
INSERT INTO embedding (tenant_id, passage_key, model_key, vector) VALUES (1, 1, 1, '[1,2,3]'), (2, 3, 1, '[3,2,1]');
INSERT INTO term_statistic (tenant_id, term, passages) VALUES (1, 7, 1), (1, 0, 2), (1, -1, 8), (2, 0, 1);
INSERT INTO tombstone (tenant_id, digest) VALUES (1, 'gone');
