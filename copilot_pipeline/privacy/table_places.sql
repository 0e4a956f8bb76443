-- name: columns
-- Return the columns of a table with the names of their types, in order; none if there is no such table.
SELECT attname AS name, typname AS type FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
WHERE attrelid = to_regclass(quote_ident(%(schema)s) || '.' || quote_ident(%(table)s))
  AND attnum > 0 AND NOT attisdropped ORDER BY attnum;

-- name: tables
-- Return the tables of some schemas.
SELECT table_schema || '.' || table_name FROM information_schema.tables
WHERE table_schema = ANY(%(schemas)s) AND table_type = 'BASE TABLE' ORDER BY 1;

-- name: clear_statistics
-- Remove the planner's statistics of a table and of its indexes, which ANALYZE keeps if the table is empty.
SELECT pg_clear_attribute_stats(schemaname, tablename, attname, inherited) FROM pg_stats
WHERE schemaname = %(schema)s AND tablename IN (
  SELECT %(table)s::text UNION ALL SELECT indexname FROM pg_indexes WHERE schemaname = %(schema)s AND tablename = %(table)s);
