-- Each table, how many rows it has, and a checksum of its first and last rows by primary key: one line each.
-- Whoever may not see all rows gets an error, not fewer rows.
SET row_security = off;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET extra_float_digits = 1;
SET bytea_output = 'hex';
SELECT format(
    $$SELECT %L, count(*), (
        SELECT coalesce(md5(string_agg(line, E'\n' ORDER BY line COLLATE "C")), '-')
        FROM ((SELECT t::text AS line FROM %2$s AS t ORDER BY %3$s LIMIT 500)
              UNION ALL
              (SELECT t::text FROM %2$s AS t ORDER BY %4$s LIMIT 500)) AS sample
    ) FROM %2$s$$,
    format('%I.%I', schemas.nspname, tables.relname), format('%I.%I', schemas.nspname, tables.relname),
    coalesce(key.up, 't::text'), coalesce(key.down, 't::text DESC')
)
FROM pg_class AS tables
JOIN pg_namespace AS schemas ON schemas.oid = tables.relnamespace
CROSS JOIN LATERAL (
    SELECT string_agg(format('t.%I', columns.attname), ', ' ORDER BY place) AS up,
           string_agg(format('t.%I DESC', columns.attname), ', ' ORDER BY place) AS down
    FROM pg_index AS indexes
    CROSS JOIN unnest(indexes.indkey) WITH ORDINALITY AS numbers (attnum, place)
    JOIN pg_attribute AS columns ON columns.attrelid = tables.oid AND columns.attnum = numbers.attnum
    WHERE indexes.indrelid = tables.oid AND indexes.indisprimary
) AS key
WHERE tables.relkind = 'r' AND schemas.nspname !~ '^pg_' AND schemas.nspname <> 'information_schema'
ORDER BY schemas.nspname, tables.relname
\gexec
