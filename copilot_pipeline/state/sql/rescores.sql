-- name: unfinished
-- Return the id of the unfinished rescore with a name.
SELECT id FROM copilot_ops.rescores WHERE name = %(name)s AND finished_at IS NULL;

-- name: count_runs
-- Count the runs that a rescore would replace, by kit: finished runs of current transcripts.
-- With only_failed, one that has not finished for a day counts as failed.
SELECT runs.kit, count(*) AS runs
FROM copilot.transcripts AS texts
CROSS JOIN unnest(%(kits)s::text[], %(references)s::text[]) AS kits (kit, kit_reference)
CROSS JOIN LATERAL copilot_ops.run_of(
  texts.call_id COLLATE "default", kits.kit, kits.kit_reference, texts.transcript_hash, texts.speech_hash) AS runs
WHERE texts.call_date BETWEEN %(first)s AND %(last)s
  AND (runs.status NOT IN ('pending', 'queued', 'running', 'unknown')
    OR %(only_failed)s AND runs.run_id IS NOT NULL AND runs.created_at < now() - interval '1 day')
  AND (%(rescore_id)s::bigint IS NULL OR runs.rescore_id IS DISTINCT FROM %(rescore_id)s)
  AND (NOT %(only_failed)s OR runs.status <> 'succeeded')
  AND (%(other_redaction_than)s::text IS NULL
    OR split_part(coalesce(runs.speech_hash, ''), ':', 3) <> %(other_redaction_than)s)
GROUP BY runs.kit ORDER BY runs.kit;

-- name: count_results_of_other_redaction
-- Count the results of texts that were redacted otherwise than a policy does, or not at all, by kit.
SELECT kit, count(*) AS runs FROM copilot.semarize_runs
WHERE call_date BETWEEN %(first)s AND %(last)s AND kit = ANY(%(kits)s) AND status = 'succeeded'
  AND split_part(coalesce(speech_hash, ''), ':', 3) <> %(redaction)s
GROUP BY kit ORDER BY kit;

-- name: count_texts_of_other_redaction
-- Count the transcripts of some days that are stored with another redaction than that of a policy.
SELECT count(*) FROM copilot.transcripts
WHERE call_date BETWEEN %(first)s AND %(last)s AND coalesce(redaction, '') <> %(redaction)s;

-- name: add
-- Add a rescore, unless an unfinished one has the name.
INSERT INTO copilot_ops.rescores (name) VALUES (%(name)s) ON CONFLICT (name) WHERE finished_at IS NULL DO NOTHING;

-- name: lock
-- Lock the unfinished rescore with a name.
SELECT id FROM copilot_ops.rescores WHERE name = %(name)s AND finished_at IS NULL FOR UPDATE;

-- name: replace_runs
-- Copy the runs of a rescore to the replaced ones, and set them to pending with an open key.
-- The conditions are those of count_runs. The new run scores the present text: with the names of today.
WITH chosen AS (
  SELECT stored.*, texts.transcript_hash AS present_hash
  FROM copilot.transcripts AS texts
  CROSS JOIN unnest(%(kits)s::text[], %(references)s::text[]) AS kits (kit, kit_reference)
  CROSS JOIN LATERAL copilot_ops.run_of(
    texts.call_id COLLATE "default", kits.kit, kits.kit_reference, texts.transcript_hash, texts.speech_hash) AS runs
  JOIN copilot_ops.semarize_runs AS stored
    ON (stored.call_id, stored.kit, stored.kit_reference, stored.transcript_hash)
      = (runs.call_id, runs.kit, runs.kit_reference, runs.transcript_hash)
  WHERE texts.call_date BETWEEN %(first)s AND %(last)s
    AND (runs.status NOT IN ('pending', 'queued', 'running', 'unknown')
      OR %(only_failed)s AND runs.run_id IS NOT NULL AND runs.created_at < now() - interval '1 day')
    AND (%(rescore_id)s::bigint IS NULL OR runs.rescore_id IS DISTINCT FROM %(rescore_id)s)
    AND (NOT %(only_failed)s OR runs.status <> 'succeeded')
  AND (%(other_redaction_than)s::text IS NULL
    OR split_part(coalesce(runs.speech_hash, ''), ':', 3) <> %(other_redaction_than)s)
  FOR UPDATE OF stored
), replaced AS (
  INSERT INTO copilot_ops.replaced_runs (
    call_id, kit, kit_reference, transcript_hash, call_date, idempotency_key, status, run_id, kit_version_id,
    requested_at, finished_at, duration_ms, error_code, error_message, answer, created_at, rescore_id,
    speech_hash
  )
  SELECT call_id, kit, kit_reference, transcript_hash, call_date, idempotency_key, status, run_id, kit_version_id,
    requested_at, finished_at, duration_ms, error_code, error_message, answer, created_at, rescore_id,
    speech_hash
  FROM chosen
)
UPDATE copilot_ops.semarize_runs AS runs SET
  rescore_id = %(rescore_id)s, status = 'pending', idempotency_key = '', next_attempt_at = NULL, run_id = NULL,
  kit_version_id = NULL, requested_at = now(), created_at = NULL, finished_at = NULL, duration_ms = NULL,
  error_code = NULL, error_message = NULL, answer = NULL,
  transcript_hash = CASE WHEN EXISTS (
      SELECT 1 FROM copilot_ops.semarize_runs AS other
      WHERE (other.call_id, other.kit, other.kit_reference, other.transcript_hash)
        = (chosen.call_id, chosen.kit, chosen.kit_reference, chosen.present_hash))
    THEN runs.transcript_hash ELSE chosen.present_hash END
FROM chosen
WHERE (runs.call_id, runs.kit, runs.kit_reference, runs.transcript_hash)
  = (chosen.call_id, chosen.kit, chosen.kit_reference, chosen.transcript_hash);

-- name: finish
-- Mark a rescore as finished.
UPDATE copilot_ops.rescores SET finished_at = now() WHERE id = %(rescore_id)s;
