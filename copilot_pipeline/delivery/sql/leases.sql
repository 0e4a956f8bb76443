-- name: new_lease_id
-- Take the next number for a lease.
SELECT nextval('copilot_ops.outbox_lease_ids')::integer AS lease_id;

-- name: recover_abandoned
-- Queue deliveries of processes that have ended again, or mark them as uncertain where a repeat does harm.
UPDATE copilot_ops.outbox SET lease_id = NULL,
  state = CASE WHEN %(may_repeat)s THEN 'queued' ELSE 'uncertain' END,
  completed_at = CASE WHEN NOT %(may_repeat)s THEN %(now)s::timestamptz END,
  reason = CASE WHEN %(may_repeat)s THEN 'the sending process ended before the response'
    ELSE 'the sending process ended before the response: it may have arrived' END
FROM copilot_ops.outbox_abandoned AS abandoned
WHERE abandoned.sink = %(sink)s AND outbox.id = abandoned.id AND outbox.lease_id = abandoned.lease_id
RETURNING outbox.state;

-- name: is_abandoned
-- Check whether a process has ended while it was sending to the sink.
SELECT EXISTS (SELECT 1 FROM copilot_ops.outbox_abandoned WHERE sink = %(sink)s) AS is_abandoned;

-- name: lock_sink
-- Lock the sink's row and read its failures and whether it may be used now.
SELECT failures, next_attempt_at <= %(now)s AS is_due FROM copilot_ops.sinks WHERE name = %(sink)s FOR UPDATE;

-- name: due_messages
-- Read the oldest messages that are due.
SELECT id, route, target, message_id, payload FROM copilot_ops.outbox
WHERE sink = %(sink)s AND state = 'queued' AND (next_attempt_at <= %(now)s OR %(ignore_backoff)s)
ORDER BY id LIMIT %(limit)s;

-- name: due_records
-- Read the due writes to CRM records, each record once. Of two routes that write to a record the one that has been
-- pending longer is first, so that a route whose writes are retried does not delay the other one.
SELECT id, route, target, message_id, payload FROM copilot_ops.outbox
WHERE id IN (
  SELECT id FROM (
    SELECT DISTINCT ON (target) id FROM copilot_ops.outbox_next_records
    WHERE sink = %(sink)s AND (next_attempt_at <= %(now)s OR %(ignore_backoff)s)
    ORDER BY target, next_attempt_at, id
  ) AS due ORDER BY id LIMIT %(limit)s)
ORDER BY id;

-- name: next_message_at
-- Read when the next message to the sink is due; null if none is queued.
SELECT min(greatest(outbox.next_attempt_at, coalesce(sinks.next_attempt_at, '-infinity'))) AS due_at
FROM copilot_ops.outbox LEFT JOIN copilot_ops.sinks ON sinks.name = outbox.sink
WHERE sink = %(sink)s AND state = 'queued';

-- name: next_record_at
-- Read when the next write to a record of the sink is due; null if none is queued.
SELECT min(greatest(next.next_attempt_at, coalesce(sinks.next_attempt_at, '-infinity'))) AS due_at
FROM copilot_ops.outbox_next_records AS next LEFT JOIN copilot_ops.sinks ON sinks.name = next.sink
WHERE sink = %(sink)s;

-- name: delay_sink
-- Set when the sink may be used next.
UPDATE copilot_ops.sinks SET next_attempt_at = %(next_attempt_at)s WHERE name = %(sink)s;

-- name: lease
-- Mark a delivery as being sent under this lease.
UPDATE copilot_ops.outbox SET state = 'sending', lease_id = %(lease_id)s, attempts = attempts + 1,
  sent_fields = %(sent_fields)s
WHERE id = %(id)s;

-- name: attempts
-- Read how often a delivery was tried.
SELECT attempts FROM copilot_ops.outbox WHERE id = %(id)s;

-- name: complete
-- Record the result of an attempt, unless another process has recovered the delivery and sends it now.
UPDATE copilot_ops.outbox SET state = %(state)s, reason = %(reason)s, lease_id = NULL,
  next_attempt_at = %(next_attempt_at)s,
  completed_at = CASE WHEN %(state)s <> 'queued' THEN %(now)s::timestamptz END
WHERE id = %(id)s AND (lease_id = %(lease_id)s OR state = 'uncertain')
RETURNING route, call_id, target;

-- name: queue_superseded
-- Queue the older scores of a record again, because the newer ones were rejected.
UPDATE copilot_ops.outbox SET state = 'queued', completed_at = NULL, superseded_by = NULL,
  next_attempt_at = %(now)s, reason = 'the newer score was rejected'
WHERE superseded_by = %(id)s AND state = 'superseded';

-- name: sink_works
-- Record that the sink responds normally.
UPDATE copilot_ops.sinks SET failures = 0, failing_since = NULL, next_attempt_at = '-infinity', problem = NULL,
  last_error = NULL, last_success_at = CASE WHEN %(has_sent)s THEN %(now)s ELSE last_success_at END
WHERE name = %(sink)s;

-- name: sink_failures
-- Read the failed attempts of the sink in a row.
SELECT failures FROM copilot_ops.sinks WHERE name = %(sink)s;

-- name: sink_fails
-- Record a failed attempt at the sink.
UPDATE copilot_ops.sinks SET failures = %(failures)s, failing_since = coalesce(failing_since, %(now)s),
  next_attempt_at = %(next_attempt_at)s, problem = %(problem)s, last_error = %(reason)s
WHERE name = %(sink)s;

-- name: has_new_uncertain_messages
-- Check whether a message became uncertain since the sink fails, unless this attempt may risk another one.
SELECT 1 AS found FROM copilot_ops.sinks
WHERE name = %(sink)s AND failures %% %(risk_every)s <> 0 AND EXISTS (
  SELECT 1 FROM copilot_ops.outbox WHERE sink = %(sink)s AND state = 'uncertain' AND completed_at >= failing_since);
