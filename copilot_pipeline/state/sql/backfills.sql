-- name: lock
-- Let one process at a time register a backfill.
LOCK TABLE copilot_ops.backfills IN EXCLUSIVE MODE;

-- name: find_active
-- Return the active backfill of a range.
SELECT id, first_day, last_day, calls, requests, registered_at, finished_at, cancelled_at FROM copilot_ops.backfills
WHERE first_day = %(first)s AND last_day = %(last)s AND finished_at IS NULL AND cancelled_at IS NULL;

-- name: insert
-- Register a backfill.
INSERT INTO copilot_ops.backfills (first_day, last_day, calls, requests)
VALUES (%(first)s, %(last)s, %(calls)s, %(requests)s)
RETURNING id, first_day, last_day, calls, requests, registered_at, finished_at, cancelled_at;

-- name: all
-- Return all backfills, newest first.
SELECT id, first_day, last_day, calls, requests, registered_at, finished_at, cancelled_at FROM copilot_ops.backfills
ORDER BY id DESC;

-- name: active
-- Return the backfills that are neither finished nor cancelled, newest first.
SELECT id, first_day, last_day, calls, requests, registered_at, finished_at, cancelled_at FROM copilot_ops.backfills
WHERE finished_at IS NULL AND cancelled_at IS NULL ORDER BY id DESC;

-- name: get
-- Return a backfill.
SELECT id, first_day, last_day, calls, requests, registered_at, finished_at, cancelled_at FROM copilot_ops.backfills
WHERE id = %(id)s;

-- name: cancel
-- Cancel an active backfill.
UPDATE copilot_ops.backfills SET cancelled_at = clock_timestamp()
WHERE id = %(id)s AND finished_at IS NULL AND cancelled_at IS NULL;

-- name: finish
-- Mark a backfill as finished.
UPDATE copilot_ops.backfills SET finished_at = clock_timestamp() WHERE id = %(id)s AND finished_at IS NULL;

-- name: complete_days
-- Return the days of a range that were listed since a moment and have all their details, tables and (if any) scores,
-- and those whose responses were removed because of their age.
SELECT call_date FROM copilot_ops.partitions AS days
WHERE call_date BETWEEN %(first)s AND %(last)s AND (raw_removed_at IS NOT NULL OR (
  listed_at >= %(since)s AND loaded_at >= stored_at
  AND (NOT %(are_scored)s OR scored_at >= loaded_at)
  AND NOT EXISTS (SELECT 1 FROM copilot_ops.calls WHERE calls.call_date = days.call_date AND is_dirty)
  AND NOT EXISTS (
    SELECT 1 FROM copilot_ops.unfetched_calls AS calls WHERE calls.call_date = days.call_date AND is_due)));

-- name: fetch_progress
-- Return how many calls of a range can be fetched and how many of them are.
SELECT count(*) AS calls, count(*) FILTER (WHERE fetched_version = version) AS fetched FROM copilot_ops.calls
WHERE call_date BETWEEN %(first)s AND %(last)s AND removed_at IS NULL AND readiness = 'ready';
