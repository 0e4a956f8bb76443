-- name: activate_routes
-- Record when new routes became active.
INSERT INTO copilot_ops.routes (name, active_since) SELECT name, %(now)s FROM unnest(%(names)s::text[]) AS name
ON CONFLICT DO NOTHING;

-- name: active_routes
-- Read since when routes are active.
SELECT name, active_since FROM copilot_ops.routes WHERE name = ANY(%(names)s);

-- name: register_sinks
-- Add sinks that are not in the table of sinks yet.
INSERT INTO copilot_ops.sinks (name) SELECT DISTINCT unnest(%(names)s::text[]) ON CONFLICT DO NOTHING;

-- name: add_delivery
-- Add a delivery, or queue a cancelled one again, or a suppressed one if the caller includes these.
INSERT INTO copilot_ops.outbox AS existing (route, sink, kind, call_id, version, target, message_id,
  call_started_at, scored_at, payload, state, reason, created_at, next_attempt_at, completed_at)
VALUES (%(route)s, %(sink)s, %(kind)s, %(call_id)s, %(version)s, %(target)s, %(message_id)s,
  %(call_started_at)s, %(scored_at)s, %(payload)s, CASE WHEN %(is_suppressed)s THEN 'suppressed' ELSE 'queued' END,
  %(suppressed_because)s, %(now)s, %(now)s, CASE WHEN %(is_suppressed)s THEN %(now)s::timestamptz END)
ON CONFLICT (route, call_id, version, target) DO UPDATE SET state = 'queued', reason = NULL, payload = excluded.payload,
  next_attempt_at = excluded.next_attempt_at, completed_at = NULL
WHERE excluded.state = 'queued'
  AND (existing.state = 'cancelled' OR (existing.state = 'suppressed' AND %(include_suppressed)s));

-- name: add_unlinked_call
-- Record a call that has no CRM record, or update the reason.
INSERT INTO copilot_ops.unlinked_calls (route, call_id, reason, crm_system, deal_id, detected_at)
VALUES (%(route)s, %(call_id)s, %(reason)s, %(crm_system)s, %(deal_id)s, %(now)s)
ON CONFLICT (route, call_id) DO UPDATE SET reason = excluded.reason, crm_system = excluded.crm_system,
  deal_id = excluded.deal_id;

-- name: remove_unlinked_calls
-- Remove calls that need no CRM record or have one now.
DELETE FROM copilot_ops.unlinked_calls
WHERE (route, call_id) IN (SELECT * FROM unnest(%(routes)s::text[], %(call_ids)s::text[]));

-- name: calls_with_records
-- Find calls that contribute to a CRM record through a route.
SELECT DISTINCT route, call_id FROM copilot_ops.outbox
JOIN unnest(%(routes)s::text[], %(call_ids)s::text[]) AS wanted (route, call_id) USING (route, call_id)
WHERE target <> '' AND state IN ('queued', 'superseded', 'sent');

-- name: removed_calls_with_records
-- Find what removed calls of some days contribute to records, or are about to.
SELECT DISTINCT outbox.route, outbox.call_id
FROM copilot_ops.outbox JOIN copilot.calls USING (call_id)
WHERE calls.call_date = ANY(%(days)s) AND calls.removed_at IS NOT NULL
  AND outbox.target <> '' AND outbox.state IN ('queued', 'superseded', 'sent')
ORDER BY 1, 2;

-- name: relinked_calls
-- Find calls without a CRM record whose CRM link has changed since.
SELECT DISTINCT call_id FROM copilot_ops.unlinked_calls AS noted JOIN copilot.calls USING (call_id)
WHERE (calls.deal_id, calls.crm_system) IS DISTINCT FROM (noted.deal_id, noted.crm_system)
ORDER BY call_id;

-- name: list_deliveries
-- List the newest deliveries in some states or in all, of one route or of all.
SELECT id, route, sink, call_id, target, state, reason, attempts, created_at, next_attempt_at, completed_at
FROM copilot_ops.outbox
WHERE (state = ANY(%(states)s) OR %(states)s = '{}') AND (route = %(route)s OR %(route)s::text IS NULL)
ORDER BY coalesce(completed_at, created_at) DESC, id DESC LIMIT %(limit)s;

-- name: count_deliveries
-- Count deliveries by sink and state.
SELECT sink, state, count(*) AS deliveries FROM copilot_ops.outbox GROUP BY sink, state ORDER BY sink, state;

-- name: list_unlinked_calls
-- List calls without a CRM record, of some days or of all.
SELECT route, call_id, call_date, reason FROM copilot_ops.unlinked_calls LEFT JOIN copilot.calls USING (call_id)
WHERE %(first)s::date IS NULL OR call_date BETWEEN %(first)s AND %(last)s
ORDER BY call_date DESC NULLS LAST, call_id, route;

-- name: queue_again
-- Queue failed or uncertain deliveries again, by id or the failed ones of a route.
UPDATE copilot_ops.outbox SET state = 'queued', next_attempt_at = %(now)s, completed_at = NULL, attempts = 0
WHERE state IN ('failed', 'uncertain') AND NOT payload ? 'removed'
  AND (id = ANY(%(ids)s) OR (%(route)s::text IS NOT NULL AND route = %(route)s AND state = 'failed'));

-- name: confirm_deliveries
-- Mark uncertain deliveries as sent.
UPDATE copilot_ops.outbox SET state = 'sent', completed_at = %(now)s, reason = 'confirmed by a person'
WHERE state = 'uncertain' AND id = ANY(%(ids)s);

-- name: sink_states
-- Read the health and the backlog of every sink.
SELECT sinks.name, coalesce(pending.queued, 0) AS queued, pending.oldest_queued_at, coalesce(pending.uncertain, 0) AS uncertain,
  failures, failing_since, nullif(next_attempt_at, '-infinity') AS next_attempt_at, problem, last_error, last_success_at
FROM copilot_ops.sinks LEFT JOIN (
  SELECT sink, count(*) FILTER (WHERE state <> 'uncertain') AS queued,
    min(created_at) FILTER (WHERE state <> 'uncertain') AS oldest_queued_at,
    count(*) FILTER (WHERE state = 'uncertain') AS uncertain
  FROM copilot_ops.outbox WHERE state = 'queued' OR state = 'sending' OR state = 'uncertain' GROUP BY sink
) AS pending ON pending.sink = sinks.name
ORDER BY sinks.name;

-- name: alerted_regressions
-- Find which regressions were considered for a digest between their first call and their recovery.
SELECT DISTINCT position FROM unnest(%(versions)s::text[], %(first_call_ats)s::timestamptz[],
  %(recovered_ats)s::timestamptz[]) WITH ORDINALITY AS regression (version, first_call_at, recovered_at, position)
JOIN copilot_ops.outbox ON outbox.version = regression.version AND call_started_at >= first_call_at
  AND (recovered_at IS NULL OR call_started_at < recovered_at)
WHERE route = %(route)s;

-- name: digests
-- Find which digests exist already.
SELECT DISTINCT version FROM copilot_ops.outbox WHERE route = %(route)s AND version = ANY(%(versions)s);

-- name: calls_of_regressions
-- Read the calls of ongoing regressions, each with its first quote that is in the transcript.
SELECT regression.position::int, scores.call_id, scores.started_at, scores.score, scores.review_url, quoted.quote,
  quoted.speaker, quoted.start_s, bricks.scale_low, bricks.scale_high
FROM unnest(%(rep_ids)s::text[], %(skills)s::text[], %(first_call_ats)s::timestamptz[])
    WITH ORDINALITY AS regression (rep_id, skill, first_call_at, position)
  JOIN copilot.coaching_scores AS scores USING (rep_id, skill)
  LEFT JOIN copilot.bricks AS bricks ON bricks.kit = scores.kit AND bricks.brick = scores.brick
  LEFT JOIN LATERAL (
    SELECT quote, speaker, start_s FROM copilot.evidence AS evidence
    WHERE evidence.call_id = scores.call_id AND evidence.kit = scores.kit AND evidence.brick = scores.brick
      AND evidence.match <> 'not found'
    ORDER BY evidence.position LIMIT 1
  ) AS quoted ON true
WHERE scores.started_at >= first_call_at
ORDER BY regression.position, scores.started_at, scores.call_id;
