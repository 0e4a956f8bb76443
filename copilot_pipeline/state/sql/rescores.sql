-- name: unfinished
-- Return the id of the unfinished rescore with a name.
SELECT id FROM copilot_ops.rescores WHERE name = %(name)s AND finished_at IS NULL;

-- name: count_runs
-- Count the runs that a rescore would replace, by kit: finished runs of current transcripts.
-- With only_failed, one that has not finished for a day counts as failed.
SELECT runs.kit, count(*) AS runs
FROM copilot_ops.semarize_runs AS runs JOIN copilot.transcripts AS texts USING (call_id, transcript_hash)
WHERE texts.call_date BETWEEN %(first)s AND %(last)s
  AND (runs.kit, runs.kit_reference) IN (
    SELECT kit, kit_reference FROM unnest(%(kits)s::text[], %(references)s::text[]) AS kits (kit, kit_reference))
  AND (runs.status NOT IN ('pending', 'queued', 'running', 'unknown')
    OR %(only_failed)s AND runs.run_id IS NOT NULL AND runs.created_at < now() - interval '1 day')
  AND (%(rescore_id)s::bigint IS NULL OR runs.rescore_id IS DISTINCT FROM %(rescore_id)s)
  AND (NOT %(only_failed)s OR runs.status <> 'succeeded')
GROUP BY runs.kit ORDER BY runs.kit;

-- name: add
-- Add a rescore, unless an unfinished one has the name.
INSERT INTO copilot_ops.rescores (name) VALUES (%(name)s) ON CONFLICT (name) WHERE finished_at IS NULL DO NOTHING;

-- name: lock
-- Lock the unfinished rescore with a name.
SELECT id FROM copilot_ops.rescores WHERE name = %(name)s AND finished_at IS NULL FOR UPDATE;

-- name: replace_runs
-- Copy the runs of a rescore to the replaced ones, and set them to pending with an open key.
-- The conditions are those of count_runs.
WITH chosen AS (
  SELECT runs.*
  FROM copilot_ops.semarize_runs AS runs JOIN copilot.transcripts AS texts USING (call_id, transcript_hash)
  WHERE texts.call_date BETWEEN %(first)s AND %(last)s
    AND (runs.kit, runs.kit_reference) IN (
      SELECT kit, kit_reference FROM unnest(%(kits)s::text[], %(references)s::text[]) AS kits (kit, kit_reference))
    AND (runs.status NOT IN ('pending', 'queued', 'running', 'unknown')
      OR %(only_failed)s AND runs.run_id IS NOT NULL AND runs.created_at < now() - interval '1 day')
    AND (%(rescore_id)s::bigint IS NULL OR runs.rescore_id IS DISTINCT FROM %(rescore_id)s)
    AND (NOT %(only_failed)s OR runs.status <> 'succeeded')
  FOR UPDATE OF runs
), replaced AS (
  INSERT INTO copilot_ops.replaced_runs (
    call_id, kit, kit_reference, transcript_hash, call_date, idempotency_key, status, run_id, kit_version_id,
    requested_at, finished_at, duration_ms, error_code, error_message, answer, created_at, rescore_id
  )
  SELECT call_id, kit, kit_reference, transcript_hash, call_date, idempotency_key, status, run_id, kit_version_id,
    requested_at, finished_at, duration_ms, error_code, error_message, answer, created_at, rescore_id
  FROM chosen
)
UPDATE copilot_ops.semarize_runs AS runs SET
  rescore_id = %(rescore_id)s, status = 'pending', idempotency_key = '', next_attempt_at = NULL, run_id = NULL,
  kit_version_id = NULL, requested_at = now(), created_at = NULL, finished_at = NULL, duration_ms = NULL,
  error_code = NULL, error_message = NULL, answer = NULL
FROM chosen
WHERE (runs.call_id, runs.kit, runs.kit_reference, runs.transcript_hash)
  = (chosen.call_id, chosen.kit, chosen.kit_reference, chosen.transcript_hash);

-- name: finish
-- Mark a rescore as finished.
UPDATE copilot_ops.rescores SET finished_at = now() WHERE id = %(rescore_id)s;
