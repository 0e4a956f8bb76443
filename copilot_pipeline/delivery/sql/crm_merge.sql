-- name: record_history
-- Read what calls have contributed to a record through a route, the newest call last.
SELECT id, call_id, scored_at, state, payload -> 'fields' AS fields, sent_fields, completed_at
FROM copilot_ops.outbox
WHERE sink = %(sink)s AND route = %(route)s AND target = %(target)s
  AND (state IN ('queued', 'sent', 'superseded') OR (state = 'cancelled' AND sent_fields IS NOT NULL))
ORDER BY call_started_at, scored_at, id;

-- name: supersede
-- Mark deliveries whose record gets a newer score instead.
UPDATE copilot_ops.outbox SET state = 'superseded', completed_at = %(now)s, superseded_by = %(by)s,
  reason = 'a newer score goes to this record'
WHERE id = ANY(%(ids)s);

-- name: cancel_unsent
-- Cancel what a call has not yet sent to other records.
UPDATE copilot_ops.outbox SET state = 'cancelled', completed_at = %(now)s, sent_fields = NULL, reason = %(reason)s
WHERE route = %(route)s AND call_id = %(call_id)s AND target NOT IN (%(target)s, '')
  AND state IN ('queued', 'superseded');

-- name: cancel_sent
-- Cancel what a call has sent to other records, so that it no longer counts for them.
UPDATE copilot_ops.outbox SET state = 'cancelled', reason = 'sent; ' || %(reason)s
WHERE route = %(route)s AND call_id = %(call_id)s AND target NOT IN (%(target)s, '') AND state = 'sent'
RETURNING sink, target;

-- name: queue_newest_remaining
-- Queue the newest remaining scores of a record that a call has left.
UPDATE copilot_ops.outbox SET state = 'queued', completed_at = NULL, superseded_by = NULL,
  next_attempt_at = %(now)s, reason = 'a newer call has left this record'
WHERE id = (
  SELECT id FROM copilot_ops.outbox
  WHERE sink = %(sink)s AND route = %(route)s AND target = %(target)s AND state IN ('sent', 'superseded')
    AND NOT payload ? 'removed'
  ORDER BY call_started_at DESC, scored_at DESC, id DESC LIMIT 1);

-- name: current_target
-- Read the record that a call is linked to.
SELECT target FROM copilot_ops.outbox WHERE route = %(route)s AND call_id = %(call_id)s AND state <> 'cancelled'
ORDER BY id DESC LIMIT 1;
