-- name: lock_calls
-- Lock calls in the order of their ids.
SELECT 1 FROM copilot_ops.calls WHERE call_id = ANY(%(call_ids)s) ORDER BY call_id FOR UPDATE;

-- name: needs_storing
-- Return whether the raw file of a day differs from the state store.
SELECT EXISTS (SELECT 1 FROM copilot_ops.calls WHERE call_date = %(day)s AND is_dirty)
  OR EXISTS (
    SELECT 1 FROM copilot_ops.calls WHERE stored_date = %(day)s AND stored_date IS DISTINCT FROM call_date)
  OR NOT EXISTS (SELECT 1 FROM copilot_ops.partitions WHERE call_date = %(day)s AND stored_at IS NOT NULL);

-- name: moved_calls
-- Return the calls that moved to a day or away from it, by the day whose raw file holds their bodies.
SELECT stored_date, array_agg(call_id) AS call_ids FROM copilot_ops.calls
WHERE stored_date IS NOT NULL AND stored_date IS DISTINCT FROM call_date
  AND (stored_date = %(day)s OR call_date = %(day)s)
GROUP BY stored_date;

-- name: moved_away
-- Return the calls that moved away from a day and whose bodies are in its raw file, except some.
SELECT call_id FROM copilot_ops.calls
WHERE stored_date = %(day)s AND stored_date IS DISTINCT FROM call_date AND NOT call_id = ANY(%(except_ids)s);

-- name: detach_calls
-- Mark calls as not stored, if a day's raw file still holds their bodies.
UPDATE copilot_ops.calls SET stored_date = NULL, is_dirty = true
WHERE call_id = ANY(%(call_ids)s) AND stored_date = %(day)s
RETURNING call_id;

-- name: return_bodies
-- Insert bodies from a raw file, unless newer ones are there.
INSERT INTO copilot_ops.bodies (call_id, part, received_at, body)
SELECT call_id, part, received_at, body FROM unnest(
  %(call_ids)s::text[], %(parts)s::text[], %(received_at)s::timestamptz[], %(bodies)b::bytea[]
) AS stored (call_id, part, received_at, body) ORDER BY call_id, part
ON CONFLICT (call_id, part) DO NOTHING;

-- name: mark_stale
-- Mark a day whose raw file and tables hold calls that moved away.
INSERT INTO copilot_ops.partitions (call_date, stored_at, is_stale) VALUES (%(day)s, NULL, true)
ON CONFLICT (call_date) DO UPDATE SET stored_at = NULL, is_stale = true;

-- name: calls_of
-- Return the calls of a day in the order of their ids' bytes, whatever the locale of the database.
SELECT call_id, status_raw, readiness, listed_at, fetched_at, removed_at, stored_date, quarantine_reason
FROM copilot_ops.calls WHERE call_date = %(day)s ORDER BY call_id COLLATE "C";

-- name: unstored_bodies
-- Return the bodies of calls that no raw file holds yet.
SELECT call_id, part, received_at, body FROM copilot_ops.bodies WHERE call_id = ANY(%(call_ids)s);

-- name: begin_storing
-- Mark the raw file of a day as not up to date, until it has been replaced.
UPDATE copilot_ops.partitions SET stored_at = NULL WHERE call_date = %(day)s;

-- name: moved_meanwhile
-- Return those of some calls that are not of a day.
SELECT call_id FROM copilot_ops.calls WHERE call_id = ANY(%(call_ids)s) AND call_date <> %(day)s;

-- name: delete_bodies
-- Delete bodies that a raw file holds now; a newer body of the same call has another time and stays.
DELETE FROM copilot_ops.bodies USING unnest(
  %(call_ids)s::text[], %(parts)s::text[], %(received_at)s::timestamptz[]
) AS stored (call_id, part, received_at)
WHERE bodies.call_id = stored.call_id AND bodies.part = stored.part AND bodies.received_at = stored.received_at;

-- name: mark_calls_stored
-- Mark the calls of a raw file as stored; those that changed since they were read stay dirty.
UPDATE copilot_ops.calls AS listed SET stored_date = %(day)s,
  is_dirty = (listed.listed_at, listed.fetched_at, listed.removed_at)
    IS DISTINCT FROM (stored.listed_at, stored.fetched_at, stored.removed_at)
FROM unnest(
  %(call_ids)s::text[], %(listed_at)s::timestamptz[], %(fetched_at)s::timestamptz[], %(removed_at)s::timestamptz[]
) AS stored (call_id, listed_at, fetched_at, removed_at)
WHERE listed.call_id = stored.call_id AND listed.call_date = %(day)s;

-- name: mark_stored
-- Record which state of the calls the raw file of a day shows; null if it must be written again.
INSERT INTO copilot_ops.partitions (call_date, stored_at, calls) VALUES (%(day)s, %(stored_at)s, %(calls)s)
ON CONFLICT (call_date) DO UPDATE SET stored_at = excluded.stored_at, calls = excluded.calls;

-- name: lock_day
-- Wait for the lock on a day's files.
SELECT pg_advisory_xact_lock(%(namespace)s, %(day_number)s);

-- name: try_lock_day
-- Acquire the lock on a day's files if it is free, and return whether it was.
SELECT pg_try_advisory_xact_lock(%(namespace)s, %(day_number)s);

-- name: confirm_lock
-- Fail if the connection that holds a lock is lost.
SELECT 1;

-- name: stale_days
-- Return the days whose tables still hold a call that moved away.
SELECT call_date FROM copilot_ops.partitions WHERE is_stale ORDER BY call_date DESC;

-- name: is_loaded
-- Return whether the call tables of a day were ever loaded.
SELECT EXISTS (SELECT 1 FROM copilot_ops.partitions WHERE call_date = %(day)s AND loaded_at IS NOT NULL);

-- name: days_with_outdated_scores
-- Return the days whose call tables were loaded after their score tables.
SELECT call_date FROM copilot_ops.partitions WHERE scored_at < loaded_at ORDER BY call_date DESC;

-- name: mark_loaded
-- Record that the call tables of a day were loaded.
UPDATE copilot_ops.partitions SET is_stale = false, loaded_at = clock_timestamp() WHERE call_date = %(day)s;

-- name: mark_scored
-- Record that the score tables of a day were loaded.
INSERT INTO copilot_ops.partitions (call_date, scored_at) VALUES (%(day)s, clock_timestamp())
ON CONFLICT (call_date) DO UPDATE SET scored_at = excluded.scored_at;

-- name: stored_calls
-- Return the calls whose bodies should be in the raw files of some days, and whether newer details are in no file.
SELECT call_id, stored_date, fetched_at,
  EXISTS (SELECT 1 FROM copilot_ops.bodies WHERE bodies.call_id = calls.call_id AND part = 'details') AS is_unstored
FROM copilot_ops.calls WHERE call_date = ANY(%(days)s) AND stored_date = call_date
  AND NOT EXISTS (SELECT FROM copilot_ops.partitions AS days
    WHERE days.call_date = calls.stored_date AND days.raw_removed_at IS NOT NULL)
UNION ALL
SELECT call_id, stored_date, fetched_at, true
FROM copilot_ops.calls WHERE stored_date = ANY(%(days)s) AND stored_date IS DISTINCT FROM call_date
  AND NOT EXISTS (SELECT FROM copilot_ops.partitions AS days
    WHERE days.call_date = calls.stored_date AND days.raw_removed_at IS NOT NULL);

-- name: mark_lost
-- Mark calls whose bodies are missing from a day's raw file: they are listed and fetched again.
WITH lost AS (
  UPDATE copilot_ops.calls SET lost_at = clock_timestamp(), fetched_version = NULL, content_hash = '',
    stored_date = NULL, is_dirty = true, attempts = 0, next_attempt_at = NULL, quarantine_reason = NULL
  WHERE call_id = ANY(%(call_ids)s) AND stored_date = %(day)s
  RETURNING call_date
)
UPDATE copilot_ops.partitions SET stored_at = NULL, listed_at = NULL
WHERE call_date = %(day)s OR call_date IN (SELECT call_date FROM lost);

-- name: lost_calls
-- Return the calls of some days whose bytes are missing and were not fetched again.
SELECT call_id, call_date, removed_at IS NOT NULL AS is_removed FROM copilot_ops.lost_calls
WHERE call_date = ANY(%(days)s) ORDER BY call_id;

-- name: stored_days
-- Return the days whose raw file should hold calls.
SELECT DISTINCT stored_date FROM copilot_ops.calls WHERE stored_date IS NOT NULL ORDER BY stored_date;

-- name: days_with_calls
-- Return the days that have calls.
SELECT DISTINCT call_date FROM copilot_ops.calls ORDER BY call_date;

-- name: days_without_raw
-- Return those of some days whose raw file was removed because of its age.
SELECT call_date FROM copilot_ops.partitions WHERE call_date = ANY(%(days)s) AND raw_removed_at IS NOT NULL;

-- name: has_texts
-- Return whether what was said on a day is still in its tables.
SELECT NOT EXISTS (
  SELECT FROM copilot_ops.partitions WHERE call_date = %(day)s AND texts_removed_at IS NOT NULL);

-- name: call_ids_of
-- Return the ids of the calls of a day.
SELECT call_id FROM copilot_ops.calls WHERE call_date = %(day)s;

-- name: number_of_calls
-- Return how many calls some days have.
SELECT count(*) FROM copilot_ops.calls WHERE call_date = ANY(%(days)s);
