ALTER TABLE copilot_ops.calls ADD COLUMN lost_at timestamptz;
COMMENT ON COLUMN copilot_ops.calls.lost_at IS 'When its bytes were last found missing from the lake; null if they never were.';
CREATE INDEX calls_lost ON copilot_ops.calls (call_date) WHERE lost_at IS NOT NULL;

-- A call without details when it was lost needs only its list item again; its content hash is then set again.
CREATE VIEW copilot_ops.lost_calls AS
SELECT call_id, call_date, lost_at, removed_at
FROM copilot_ops.calls
WHERE lost_at IS NOT NULL AND NOT CASE
  WHEN fetched_at IS NULL THEN content_hash <> ''
  ELSE fetched_at > lost_at AND quarantine_reason IS NULL
END;
COMMENT ON VIEW copilot_ops.lost_calls IS 'Calls whose bytes were found missing from the lake and have not been fetched again. Their rows in the tables are kept.';
COMMENT ON COLUMN copilot_ops.lost_calls.call_id IS 'Clari Copilot''s id of the call.';
COMMENT ON COLUMN copilot_ops.lost_calls.call_date IS 'Partition: the day of the call''s time.';
COMMENT ON COLUMN copilot_ops.lost_calls.lost_at IS 'When its bytes were found missing.';
COMMENT ON COLUMN copilot_ops.lost_calls.removed_at IS 'When a complete listing first did not show the call: it cannot be fetched again.';
