CREATE TABLE copilot_ops.truncated_values (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  table_name text NOT NULL,
  call_date date,
  column_name text NOT NULL,
  row_key jsonb NOT NULL,
  original_chars bigint NOT NULL,
  sha256 text NOT NULL,
  truncated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX truncated_values_by_table ON copilot_ops.truncated_values (table_name, call_date);
COMMENT ON TABLE copilot_ops.truncated_values IS 'Values of the tables that were too long for their columns. Replaced when their day or table is loaded.';
COMMENT ON COLUMN copilot_ops.truncated_values.id IS 'Number.';
COMMENT ON COLUMN copilot_ops.truncated_values.table_name IS 'Table of schema `copilot`.';
COMMENT ON COLUMN copilot_ops.truncated_values.call_date IS 'Day of the row; null in unpartitioned tables.';
COMMENT ON COLUMN copilot_ops.truncated_values.column_name IS 'Column.';
COMMENT ON COLUMN copilot_ops.truncated_values.row_key IS 'Key of the row, as stored.';
COMMENT ON COLUMN copilot_ops.truncated_values.original_chars IS 'Length of the value as received, in characters.';
COMMENT ON COLUMN copilot_ops.truncated_values.sha256 IS 'SHA-256 of the value as received, in UTF-8.';
COMMENT ON COLUMN copilot_ops.truncated_values.truncated_at IS 'Time when the row was loaded.';
