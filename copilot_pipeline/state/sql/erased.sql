-- name: forget
-- Delete calls with their bodies and runs, and mark their days, whose files and tables still show them, as stale.
WITH forgotten AS (
  DELETE FROM copilot_ops.calls WHERE call_id = ANY(%(call_ids)s) RETURNING call_date, stored_date
), bodies AS (
  DELETE FROM copilot_ops.bodies WHERE call_id = ANY(%(call_ids)s)
), pending AS (
  DELETE FROM copilot_ops.pending_calls WHERE call_id = ANY(%(call_ids)s)
), received AS (
  DELETE FROM copilot_ops.inbox WHERE kind = 'call' AND external_id = ANY(%(call_ids)s)
), runs AS (
  DELETE FROM copilot_ops.semarize_runs WHERE call_id = ANY(%(call_ids)s)
), replaced_runs AS (
  DELETE FROM copilot_ops.replaced_runs WHERE call_id = ANY(%(call_ids)s)
), replaced_transcripts AS (
  DELETE FROM copilot_ops.replaced_transcripts WHERE call_id = ANY(%(call_ids)s)
)
UPDATE copilot_ops.partitions SET stored_at = NULL, is_stale = true
WHERE call_date IN (SELECT call_date FROM forgotten UNION SELECT stored_date FROM forgotten);
