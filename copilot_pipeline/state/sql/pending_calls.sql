-- name: add
-- Add calls, except those that are pending already.
INSERT INTO copilot_ops.pending_calls (call_date, call_id)
SELECT call_date, call_id FROM unnest(%(days)s::date[], %(call_ids)s::text[]) AS added (call_date, call_id)
ORDER BY call_date, call_id
ON CONFLICT DO NOTHING;

-- name: claim
-- Claim all pending calls for the current run.
UPDATE copilot_ops.pending_calls SET claimed_at = clock_timestamp() RETURNING call_date, call_id;

-- name: unfinished_days
-- Return the days of calls that were claimed some time ago and are still pending.
SELECT DISTINCT call_date FROM copilot_ops.pending_calls
WHERE claimed_at < now() - make_interval(mins => %(minutes)s) ORDER BY call_date DESC;

-- name: complete
-- Delete the pending calls of a day.
DELETE FROM copilot_ops.pending_calls WHERE call_date = %(day)s AND call_id = ANY(%(call_ids)s);

-- name: with_open_runs
-- Return calls with an open Semarize run of their current transcript and of a current kit that no run is polling.
SELECT runs.call_date, runs.call_id FROM copilot_ops.open_semarize_runs AS runs
JOIN unnest(%(kits)s::text[], %(references)s::text[]) AS kits (kit, kit_reference) USING (kit, kit_reference)
JOIN copilot.transcripts AS texts USING (call_id)
CROSS JOIN LATERAL copilot_ops.run_of(
  runs.call_id, kits.kit, kits.kit_reference, texts.transcript_hash, texts.speech_hash) AS present
WHERE present.transcript_hash = runs.transcript_hash
  AND coalesce(runs.next_attempt_at, runs.requested_at + make_interval(mins => %(grace_minutes)s)) < now()
  AND runs.requested_at > now() - make_interval(days => %(max_days)s);
