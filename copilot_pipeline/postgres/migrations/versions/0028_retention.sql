ALTER TABLE copilot_ops.partitions ADD COLUMN raw_removed_at timestamptz;
ALTER TABLE copilot_ops.partitions ADD COLUMN texts_removed_at timestamptz;
ALTER TABLE copilot_ops.partitions ADD COLUMN lake_texts_removed_at timestamptz;
COMMENT ON COLUMN copilot_ops.partitions.lake_texts_removed_at IS 'When it was removed from the files of the lake as well.';
COMMENT ON COLUMN copilot_ops.partitions.raw_removed_at IS 'When the raw file was removed, because it was older than privacy.retention.raw. Its calls are not fetched again, and its tables stay.';
COMMENT ON COLUMN copilot_ops.partitions.texts_removed_at IS 'When what was said was removed from the tables, because it was older than privacy.retention.transcripts.';
CREATE INDEX partitions_without_raw ON copilot_ops.partitions (call_date) WHERE raw_removed_at IS NOT NULL;

CREATE OR REPLACE VIEW copilot_ops.unfetched_calls AS
SELECT call_id, call_date, version, source, last_problem, quarantine_reason, next_attempt_at,
  next_attempt_at IS NULL OR next_attempt_at <= now() AS is_due
FROM copilot_ops.calls
WHERE readiness = 'ready' AND fetched_version IS DISTINCT FROM version AND removed_at IS NULL
  AND NOT EXISTS (
    SELECT FROM copilot_ops.partitions
    WHERE partitions.call_date = calls.call_date AND partitions.raw_removed_at IS NOT NULL);

CREATE FUNCTION copilot_ops.without_values(fields jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (SELECT coalesce(jsonb_object_agg(name, '{"removed": true}'::jsonb), '{}'::jsonb) FROM jsonb_object_keys(fields) AS name);
COMMENT ON FUNCTION copilot_ops.without_values IS 'Names of fields without their values: by them no older value is written over a newer one whose content was removed.';

CREATE INDEX replaced_transcripts_by_time ON copilot_ops.replaced_transcripts (replaced_at);
