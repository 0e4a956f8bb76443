-- name: lock
-- Wait for the lock on the facts about the installation.
SELECT pg_advisory_lock(%(lock)s);

-- name: unlock
-- Release the lock on the facts about the installation.
SELECT pg_advisory_unlock(%(lock)s);

-- name: values
-- Return the stored values.
SELECT name, value FROM copilot_ops.key_values WHERE name = ANY(%(names)s);

-- name: save
-- Store a value.
INSERT INTO copilot_ops.key_values (name, value) VALUES (%(name)s, %(value)s)
ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: delete
-- Delete a value.
DELETE FROM copilot_ops.key_values WHERE name = %(name)s;

-- name: calls_on_other_days
-- Count the calls, and those whose partition is not their day in a time zone.
SELECT count(*) AS calls,
  count(*) FILTER (WHERE call_date <> (started_at AT TIME ZONE %(zone)s)::date) AS on_other_days
FROM copilot_ops.calls;

-- name: loss
-- Count the calls that would have to be fetched again if no raw file existed.
SELECT count(*) FILTER (WHERE removed_at IS NULL) AS calls, count(*) FILTER (WHERE removed_at IS NOT NULL) AS removed,
  count(DISTINCT call_date) AS days
FROM copilot_ops.calls WHERE stored_date IS NOT NULL;

-- name: mark_all_lost
-- Mark every call whose bodies should be in a raw file as lost.
UPDATE copilot_ops.calls SET lost_at = clock_timestamp(), fetched_version = NULL, content_hash = '',
  stored_date = NULL, is_dirty = true, attempts = 0, next_attempt_at = NULL, quarantine_reason = NULL
WHERE call_id IN (
  SELECT call_id FROM copilot_ops.calls WHERE stored_date IS NOT NULL ORDER BY call_id FOR UPDATE
);

-- name: mark_all_unstored
-- Mark every day as neither stored nor listed.
UPDATE copilot_ops.partitions SET stored_at = NULL, listed_at = NULL;
