-- name: acquire_slot
-- Reserve the next free slot of the shared rate and count the request against the week of that slot.
SELECT wait_seconds, is_granted, week, used, opens_at, because
FROM copilot_ops.acquire_slot(
  %(name)s, %(source)s, %(units)s, %(counted)s, %(interval_seconds)s, %(requests_per_week)s, %(quiet)s
);

-- name: add_limit
-- Add the row of a rate limit that has not been used yet.
INSERT INTO copilot_ops.rate_limits (name) VALUES (%(name)s) ON CONFLICT DO NOTHING;

-- name: count_429
-- Count a 429, in a row with the ones before if it came soon after their pause, and return the state before it.
UPDATE copilot_ops.rate_limits SET
  throttle_count = CASE WHEN is_in_a_row THEN throttle_count + 1 ELSE 1 END,
  throttled_since = CASE WHEN is_in_a_row THEN throttled_since ELSE now_at END
FROM (
  SELECT clock_timestamp() AS now_at, closed_because AS was_closed_because,
    clock_timestamp() < closed_until + make_interval(secs => %(in_a_row_seconds)s) AS is_in_a_row,
    closed_until < clock_timestamp()
      AND week_requests BETWEEN requests_when_closed AND requests_when_closed + %(trial_requests)s AS is_on_trial
  FROM copilot_ops.rate_limits WHERE name = %(name)s FOR UPDATE
) AS before
WHERE name = %(name)s
RETURNING throttle_count, extract(epoch FROM now_at - throttled_since)::double precision AS throttled_seconds, now_at,
  was_closed_because, is_on_trial;

-- name: close
-- Close the limit until a moment, unless it is closed for longer already.
UPDATE copilot_ops.rate_limits SET
  closed_because = CASE WHEN closed_until < %(until)s THEN %(because)s ELSE closed_because END,
  requests_when_closed = CASE WHEN %(because)s = 'pause' THEN requests_when_closed ELSE week_requests END,
  closed_until = greatest(closed_until, %(until)s)
WHERE name = %(name)s;

-- name: confirm_open
-- Forget why the limit was closed, if it is open again.
UPDATE copilot_ops.rate_limits SET closed_because = NULL WHERE name = %(name)s AND closed_until <= clock_timestamp();

-- name: count_by_source
-- Return the requests of the current week by source, at least one row, so that the clock is known.
SELECT now_at, source, requests FROM (SELECT clock_timestamp() AS now_at) AS clock
LEFT JOIN copilot_ops.request_counts ON name = %(name)s AND week_start = copilot_ops.week_of(now_at)
ORDER BY source;

-- name: closed
-- Return until when the limit is closed and why; also after it opened again, until enough requests have succeeded.
SELECT CASE WHEN closed_until > clock_timestamp() THEN closed_until END AS closed_until, closed_because
FROM copilot_ops.rate_limits
WHERE name = %(name)s AND closed_because <> 'pause'
  AND (closed_until > clock_timestamp()
    OR week_requests BETWEEN requests_when_closed AND requests_when_closed + %(trial_requests)s);
