-- name: lock_registration
-- Serialize registrations until the end of the transaction: two labellings of one speech must not become two runs.
SELECT pg_advisory_xact_lock(%(lock)s);

-- name: add_missing
-- Add the runs of speeches that have none. A transcript without a speech hash in the lake has one in the warehouse.
INSERT INTO copilot_ops.semarize_runs
  (call_id, kit, kit_reference, transcript_hash, call_date, idempotency_key, status, speech_hash)
SELECT call_id, kit, kit_reference, transcript_hash, call_date, idempotency_key, 'pending',
  coalesce(nullif(speech_hash, ''), (
    SELECT texts.speech_hash FROM copilot.transcripts AS texts
    WHERE (texts.call_id, texts.transcript_hash) = (intent.call_id, intent.transcript_hash)))
FROM unnest(
  %(call_id)s::text[], %(kit)s::text[], %(kit_reference)s::text[], %(transcript_hash)s::text[],
  %(call_date)s::date[], %(idempotency_key)s::text[], %(speech_hash)s::text[]
) AS intent (call_id, kit, kit_reference, transcript_hash, call_date, idempotency_key, speech_hash)
WHERE NOT EXISTS (
  SELECT 1 FROM copilot_ops.run_of(call_id, kit, kit_reference, transcript_hash, speech_hash))
ORDER BY call_id, kit, kit_reference, transcript_hash
ON CONFLICT (call_id, kit, kit_reference, transcript_hash) DO NOTHING;

-- name: update_known
-- Update the runs that exist: a call that moved takes its run along, a rescore takes the key of its first request, and
-- the run keeps the newest hash of words and sides. A run that has not been created takes the present redaction with its
-- text and key; any other one keeps the redaction that it was created with. Rows that would not change are not written.
UPDATE copilot_ops.semarize_runs AS existing SET
  call_date = intent.call_date,
  transcript_hash = CASE WHEN is_other_text THEN intent.transcript_hash ELSE existing.transcript_hash END,
  speech_hash = newest.speech_hash,
  idempotency_key = CASE WHEN existing.idempotency_key = '' OR is_other_text
    THEN intent.idempotency_key || coalesce(':again' || existing.rescore_id, '') ELSE existing.idempotency_key END
FROM unnest(
  %(call_id)s::text[], %(kit)s::text[], %(kit_reference)s::text[], %(transcript_hash)s::text[],
  %(call_date)s::date[], %(idempotency_key)s::text[], %(speech_hash)s::text[]
) AS intent (call_id, kit, kit_reference, transcript_hash, call_date, idempotency_key, speech_hash)
CROSS JOIN LATERAL copilot_ops.run_of(
  intent.call_id, intent.kit, intent.kit_reference, intent.transcript_hash, intent.speech_hash) AS run
CROSS JOIN LATERAL (
  SELECT run.status = 'pending' AND run.run_id IS NULL AND intent.speech_hash <> ''
    AND split_part(coalesce(run.speech_hash, ''), ':', 3) <> split_part(intent.speech_hash, ':', 3)
    AND NOT EXISTS (
      SELECT 1 FROM copilot_ops.semarize_runs AS other
      WHERE (other.call_id, other.kit, other.kit_reference, other.transcript_hash)
        = (intent.call_id, intent.kit, intent.kit_reference, intent.transcript_hash)) AS is_other_text
) AS comparison
CROSS JOIN LATERAL (
  SELECT CASE
    WHEN intent.speech_hash = '' THEN run.speech_hash
    WHEN is_other_text OR run.transcript_hash = intent.transcript_hash THEN intent.speech_hash
    ELSE concat_ws(':', split_part(intent.speech_hash, ':', 1), split_part(intent.speech_hash, ':', 2),
      nullif(split_part(coalesce(run.speech_hash, ''), ':', 3), '')) END AS speech_hash
) AS newest
WHERE (existing.call_id, existing.kit, existing.kit_reference, existing.transcript_hash)
    = (run.call_id, run.kit, run.kit_reference, run.transcript_hash)
  AND (existing.call_date <> intent.call_date OR existing.idempotency_key = '' OR is_other_text
    OR existing.speech_hash IS DISTINCT FROM newest.speech_hash);

-- name: add_sides
-- Complete the speech hash of runs of earlier versions, which is that of the words alone.
UPDATE copilot_ops.semarize_runs AS existing
SET speech_hash = split_part(intent.speech_hash, ':', 1) || ':' || split_part(intent.speech_hash, ':', 2)
FROM unnest(%(call_id)s::text[], %(kit)s::text[], %(kit_reference)s::text[], %(speech_hash)s::text[])
  AS intent (call_id, kit, kit_reference, speech_hash)
WHERE (existing.call_id, existing.kit, existing.kit_reference) = (intent.call_id, intent.kit, intent.kit_reference)
  AND existing.speech_hash = split_part(intent.speech_hash, ':', 1) || ':';

-- name: open_runs
-- Return those of some runs that have not finished, in the order of the parameters.
SELECT runs.call_id, runs.kit, runs.kit_reference, runs.transcript_hash, runs.call_date, runs.idempotency_key,
  runs.status, runs.run_id, runs.kit_version_id, runs.requested_at, runs.finished_at, runs.duration_ms,
  runs.error_code, runs.error_message, runs.answer AS packed_answer, runs.rescore_id, runs.speech_hash
FROM unnest(
  %(call_id)s::text[], %(kit)s::text[], %(kit_reference)s::text[], %(transcript_hash)s::text[], %(speech_hash)s::text[]
) WITH ORDINALITY AS intent (call_id, kit, kit_reference, transcript_hash, speech_hash, position)
CROSS JOIN LATERAL copilot_ops.run_of(
  intent.call_id, intent.kit, intent.kit_reference, intent.transcript_hash, intent.speech_hash) AS run
JOIN copilot_ops.open_semarize_runs AS runs
  ON (runs.call_id, runs.kit, runs.kit_reference, runs.transcript_hash)
    = (run.call_id, run.kit, run.kit_reference, run.transcript_hash)
ORDER BY position;

-- name: find
-- Return a run.
SELECT call_id, kit, kit_reference, transcript_hash, call_date, idempotency_key, status, run_id, kit_version_id,
  requested_at, finished_at, duration_ms, error_code, error_message, answer AS packed_answer, rescore_id,
  speech_hash
FROM copilot_ops.semarize_runs
WHERE call_id = %(call_id)s AND kit = %(kit)s AND kit_reference = %(kit_reference)s
  AND transcript_hash = %(transcript_hash)s;

-- name: runs_for
-- Return the runs of a kit for some speeches, in the order of the call ids' bytes.
SELECT runs.call_id, runs.kit, runs.kit_reference, runs.transcript_hash, runs.call_date, runs.idempotency_key,
  runs.status, runs.run_id, runs.kit_version_id, runs.requested_at, runs.finished_at, runs.duration_ms,
  runs.error_code, runs.error_message, runs.answer AS packed_answer, runs.rescore_id, runs.speech_hash
FROM unnest(%(call_ids)s::text[], %(transcript_hashes)s::text[], %(speech_hashes)s::text[])
  AS texts (call_id, transcript_hash, speech_hash)
CROSS JOIN LATERAL copilot_ops.run_of(
  texts.call_id, %(kit)s, %(kit_reference)s, texts.transcript_hash, texts.speech_hash) AS runs
ORDER BY runs.call_id COLLATE "C";

-- name: results_of_other_references
-- Return the newest result of each speech under another reference of the kit, in the order of the call ids' bytes.
SELECT runs.call_id, runs.kit, runs.kit_reference, runs.transcript_hash, runs.call_date, runs.idempotency_key,
  runs.status, runs.run_id, runs.kit_version_id, runs.requested_at, runs.finished_at, runs.duration_ms,
  runs.error_code, runs.error_message, runs.answer AS packed_answer, runs.rescore_id, runs.speech_hash
FROM unnest(%(call_ids)s::text[], %(transcript_hashes)s::text[], %(speech_hashes)s::text[])
  AS texts (call_id, transcript_hash, speech_hash)
CROSS JOIN LATERAL (
  SELECT * FROM copilot_ops.semarize_runs AS earlier
  WHERE earlier.call_id = texts.call_id AND earlier.kit = %(kit)s AND earlier.kit_reference <> %(kit_reference)s
    AND earlier.status = 'succeeded'
    AND (earlier.transcript_hash = texts.transcript_hash
      OR split_part(earlier.speech_hash, ':', 1) = nullif(split_part(texts.speech_hash, ':', 1), '')
        AND split_part(earlier.speech_hash, ':', 2) IN (split_part(texts.speech_hash, ':', 2), ''))
  ORDER BY earlier.finished_at DESC, earlier.kit_reference
  LIMIT 1
) AS runs
ORDER BY runs.call_id COLLATE "C";

-- name: completed_by_webhook
-- Return those of some run ids whose end a webhook has reported.
SELECT external_id FROM copilot_ops.inbox WHERE kind = 'run' AND external_id = ANY(%(run_ids)s);

-- name: schedule_retry
-- Set when a run that timed out is polled again: after half of its age, between 5 minutes and 6 hours.
UPDATE copilot_ops.semarize_runs SET
  next_attempt_at = now() + least(interval '6 hours', greatest(interval '5 minutes', (now() - requested_at) / 2))
WHERE call_id = %(call_id)s AND kit = %(kit)s AND kit_reference = %(kit_reference)s
  AND transcript_hash = %(transcript_hash)s AND rescore_id IS NOT DISTINCT FROM %(rescore_id)s;

-- name: postpone
-- Set when the runs of a kit that were not sent are requested again: after half of their age, 5 minutes to 6 hours.
UPDATE copilot_ops.semarize_runs SET
  next_attempt_at = now() + least(interval '6 hours', greatest(interval '5 minutes', (now() - requested_at) / 2))
WHERE kit = %(kit)s AND kit_reference = %(kit_reference)s AND status = 'pending' AND run_id IS NULL;

-- name: mark_created
-- Record the id that Semarize gave to a run.
UPDATE copilot_ops.semarize_runs SET
  run_id = %(run_id)s, status = %(status)s, created_at = coalesce(created_at, now())
WHERE call_id = %(call_id)s AND kit = %(kit)s AND kit_reference = %(kit_reference)s
  AND transcript_hash = %(transcript_hash)s AND rescore_id IS NOT DISTINCT FROM %(rescore_id)s;

-- name: mark_finished
-- Record the result of a run.
UPDATE copilot_ops.semarize_runs SET
  run_id = %(run_id)s, status = %(status)s, kit_version_id = %(kit_version_id)s, duration_ms = %(duration_ms)s,
  error_code = %(error_code)s, error_message = %(error_message)s, answer = %(packed_answer)s, finished_at = now(),
  created_at = coalesce(created_at, now())
WHERE call_id = %(call_id)s AND kit = %(kit)s AND kit_reference = %(kit_reference)s
  AND transcript_hash = %(transcript_hash)s AND rescore_id IS NOT DISTINCT FROM %(rescore_id)s;

-- name: mark_refused
-- Record that Semarize refused the request of a run.
UPDATE copilot_ops.semarize_runs SET
  status = 'refused', error_code = %(error_code)s, error_message = %(error_message)s, finished_at = now()
WHERE call_id = %(call_id)s AND kit = %(kit)s AND kit_reference = %(kit_reference)s
  AND transcript_hash = %(transcript_hash)s AND rescore_id IS NOT DISTINCT FROM %(rescore_id)s;

-- name: to_archive
-- Return the scored transcripts of a day that its new rows, not committed yet, no longer contain.
-- The collation is that of the primary key of semarize_runs, which is read by index only with it.
SELECT runs.call_id, runs.transcript_hash FROM copilot_ops.semarize_runs AS runs
WHERE runs.call_id IN (SELECT call_id COLLATE "default" FROM copilot.calls WHERE call_date = %(day)s)
  AND NOT EXISTS (
    SELECT 1 FROM copilot.transcripts AS texts
    WHERE (texts.call_id, texts.transcript_hash) = (runs.call_id, runs.transcript_hash))
  AND NOT EXISTS (
    SELECT 1 FROM copilot_ops.replaced_transcripts AS replaced
    WHERE replaced.transcript_hash = runs.transcript_hash);

-- name: scored_texts
-- Return the texts of runs: replaced ones, or present ones.
SELECT call_id, transcript_hash, text FROM copilot_ops.replaced_transcripts WHERE transcript_hash = ANY(%(hashes)s)
UNION ALL
SELECT call_id, transcript_hash, coalesce(redacted_text, text) FROM copilot.transcripts
WHERE call_id = ANY(%(call_ids)s) AND transcript_hash = ANY(%(hashes)s);

-- name: archive_transcripts
-- Copy transcripts to the replaced ones.
INSERT INTO copilot_ops.replaced_transcripts (transcript_hash, call_id, text)
SELECT DISTINCT ON (transcript_hash) transcript_hash, call_id, coalesce(redacted_text, text) FROM copilot.transcripts
WHERE call_id = ANY(%(call_ids)s) AND transcript_hash = ANY(%(hashes)s)
  AND (%(only_redaction)s::text IS NULL OR redaction = %(only_redaction)s)
ORDER BY transcript_hash, call_id
ON CONFLICT DO NOTHING;

-- name: find_by_run_id
-- Return the run with an id of Semarize.
SELECT call_id, kit, kit_reference, transcript_hash, call_date, idempotency_key, status, run_id, kit_version_id,
  requested_at, finished_at, duration_ms, error_code, error_message, answer AS packed_answer, rescore_id,
  speech_hash
FROM copilot_ops.semarize_runs WHERE run_id = %(run_id)s;
