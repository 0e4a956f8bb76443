-- name: delete_truncated
-- Remove the truncated values of a day of some tables, or of unpartitioned tables.
DELETE FROM copilot_ops.truncated_values
WHERE table_name = ANY(%(tables)s) AND call_date IS NOT DISTINCT FROM %(day)s;

-- name: add_truncated
-- Record values that were too long for their columns.
INSERT INTO copilot_ops.truncated_values (table_name, call_date, column_name, row_key, original_chars, sha256)
SELECT table_name, %(day)s, column_name, row_key::jsonb, original_chars, sha256
FROM unnest(%(tables)s::text[], %(columns)s::text[], %(keys)s::text[], %(chars)s::bigint[], %(hashes)s::text[])
  AS found (table_name, column_name, row_key, original_chars, sha256);
