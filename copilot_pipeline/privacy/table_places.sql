-- name: columns
-- Return the columns of a table with the names of their types, in order.
SELECT column_name AS name, udt_name AS type FROM information_schema.columns
WHERE table_schema = %(schema)s AND table_name = %(table)s ORDER BY ordinal_position;

-- name: tables
-- Return the tables of some schemas.
SELECT table_schema || '.' || table_name FROM information_schema.tables
WHERE table_schema = ANY(%(schemas)s) AND table_type = 'BASE TABLE' ORDER BY 1;
