CREATE TABLE copilot_ops.schema_compatibility (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  version text NOT NULL,
  oldest_supported text NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE copilot_ops.schema_compatibility IS 'Which releases work with this schema; one row, which each migration updates.';
COMMENT ON COLUMN copilot_ops.schema_compatibility.is_only IS 'Always true: there is one row.';
COMMENT ON COLUMN copilot_ops.schema_compatibility.version IS 'The newest migration that was applied.';
COMMENT ON COLUMN copilot_ops.schema_compatibility.oldest_supported IS 'The oldest schema whose releases work with this one. Their processes may run beside those of the newest release.';
COMMENT ON COLUMN copilot_ops.schema_compatibility.updated_at IS 'Time of the migration.';
INSERT INTO copilot_ops.schema_compatibility (version, oldest_supported) VALUES ('0034', '0034');
