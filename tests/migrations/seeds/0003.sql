INSERT INTO segment (tenant_id, conversation_key, first, last, weights) VALUES (1, 1, 0, 1, '{7:1}/1000000000');
INSERT INTO speaker_name (tenant_id, name, conversation_key, speaker) VALUES (1, 'ana', 1, 'Ana');
UPDATE conversation SET surroundings = 1, language = 'de' WHERE tenant_id = 1;
UPDATE embedding SET reply = '[1,1,1]', recipe = 1 WHERE tenant_id = 1;
