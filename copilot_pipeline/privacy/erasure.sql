-- name: unfinished
-- Return the plan of an erasure that was requested in the same way and is not finished.
SELECT id, plan FROM copilot_ops.erasures WHERE request_hash = %(request_hash)s AND finished_at IS NULL;

-- name: begin
-- Record an erasure with its plan.
INSERT INTO copilot_ops.erasures (label, subject, mode, request_hash, requested_by, calls, plan)
VALUES (%(label)s, %(subject)s, %(mode)s, %(request_hash)s, %(requested_by)s, %(calls)s, %(plan)s) RETURNING id;

-- name: save
-- Replace the plan of an erasure.
UPDATE copilot_ops.erasures SET plan = %(plan)s, calls = greatest(calls, %(calls)s) WHERE id = %(id)s;

-- name: count
-- Add to the number of rows that were changed or removed in a place.
UPDATE copilot_ops.erasures SET removed = removed
  || jsonb_build_object(%(place)s::text, coalesce((removed ->> %(place)s::text)::bigint, 0) + %(rows)s::bigint)
WHERE id = %(id)s;

-- name: finish
-- Record the end of an erasure, and delete its plan.
UPDATE copilot_ops.erasures SET finished_at = coalesce(finished_at, now()), plan = NULL WHERE id = %(id)s
RETURNING id, subject, mode, requested_by, requested_at, finished_at, calls, removed;

-- name: records
-- Return all erasures, the newest first.
SELECT id, subject, mode, requested_by, requested_at, finished_at, calls, removed
FROM copilot_ops.erasures ORDER BY id DESC;

-- name: days
-- Return all days of which rows or files may exist.
SELECT call_date FROM copilot_ops.partitions UNION SELECT call_date FROM copilot_ops.calls
UNION SELECT stored_date FROM copilot_ops.calls WHERE stored_date IS NOT NULL ORDER BY 1;

-- name: hashes_of_day
-- Return the hashes of the transcripts of a day.
SELECT call_id, transcript_hash, speech_hash FROM copilot.transcripts WHERE call_date = %(day)s;

-- name: carry_runs_over
-- Give runs the hash of what is said on the masked transcript. They keep the hash of the text that was sent.
UPDATE copilot_ops.semarize_runs AS known SET speech_hash = masked.speech_hash
FROM unnest(%(call_ids)s::text[], %(transcript_hashes)s::text[], %(speech_hashes)s::text[])
  AS old (call_id, transcript_hash, speech_hash)
JOIN copilot.transcripts AS masked USING (call_id)
WHERE known.call_id = old.call_id AND masked.call_date = %(day)s AND masked.speech_hash IS NOT NULL
  AND (known.transcript_hash = old.transcript_hash OR known.speech_hash = old.speech_hash)
  AND known.speech_hash IS DISTINCT FROM masked.speech_hash;

-- name: deliveries_to_withdraw
-- Return what some calls contribute to records of a CRM.
SELECT DISTINCT route, call_id FROM copilot_ops.outbox
WHERE call_id = ANY(%(call_ids)s) AND target <> '' AND state IN ('queued', 'superseded', 'sent');

-- name: cancel_masked_deliveries
-- Cancel deliveries that were not sent, so that they do not leave with the masked text. One that may have arrived stays
-- as it is without its content, so that it can be confirmed and not repeated.
UPDATE copilot_ops.outbox SET
  completed_at = coalesce(completed_at, clock_timestamp()),
  state = CASE state WHEN 'uncertain' THEN state ELSE 'cancelled' END,
  reason = CASE state WHEN 'uncertain' THEN reason ELSE 'it named what was erased' END,
  payload = CASE state WHEN 'uncertain' THEN '{"removed": true}' ELSE payload END
WHERE ctid = ANY(%(rows)s::tid[]) AND state IN ('queued', 'failed', 'uncertain');
