-- name: open_or_repeat
-- Open an incident, or count a notification if the newest one is old enough.
INSERT INTO copilot_ops.incidents AS existing
  (name, opened_at, last_notified_at, notifications, description, next_step)
VALUES (%(name)s, %(now)s, %(now)s, 1, %(description)s, %(next_step)s)
ON CONFLICT (name) WHERE resolved_at IS NULL DO UPDATE SET last_notified_at = excluded.last_notified_at,
  notifications = existing.notifications + 1, description = excluded.description, next_step = excluded.next_step
WHERE existing.last_notified_at <= %(repeat_before)s
RETURNING name, opened_at, last_notified_at, notifications, description, next_step;

-- name: update_text
-- Update the text of an open incident.
UPDATE copilot_ops.incidents SET description = %(description)s, next_step = %(next_step)s
WHERE name = %(name)s AND resolved_at IS NULL;

-- name: resolve
-- Resolve an open incident.
UPDATE copilot_ops.incidents SET resolved_at = %(now)s WHERE name = %(name)s AND resolved_at IS NULL
RETURNING name, opened_at, last_notified_at, notifications, description, next_step;

-- name: open_incidents
-- List open incidents whose name begins with a prefix, oldest first.
SELECT name, opened_at, last_notified_at, notifications, description, next_step FROM copilot_ops.incidents
WHERE resolved_at IS NULL AND starts_with(name, %(prefix)s) ORDER BY opened_at, name;

-- name: add_sample
-- Record the size of a backlog, at most once an hour.
INSERT INTO copilot_ops.backlog_samples (name, sampled_at, items)
SELECT %(name)s, %(now)s, %(items)s WHERE NOT EXISTS (
  SELECT 1 FROM copilot_ops.backlog_samples WHERE name = %(name)s AND sampled_at > %(hour_ago)s)
ON CONFLICT DO NOTHING;

-- name: remove_old_samples
-- Remove old samples of a backlog.
DELETE FROM copilot_ops.backlog_samples WHERE name = %(name)s AND sampled_at < %(before)s;

-- name: newest_samples
-- Read the newest sizes of a backlog, newest first.
SELECT items FROM copilot_ops.backlog_samples WHERE name = %(name)s ORDER BY sampled_at DESC LIMIT %(limit)s;

-- name: count_calls_to_fetch
-- Count listed calls whose details are not stored at their listed version.
-- PostgreSQL expects most calls to have work and would scan them all; this order is that of the index of calls with work.
SELECT count(*) AS calls FROM (
  SELECT call_date, source FROM copilot_ops.calls
  WHERE readiness = 'ready' AND removed_at IS NULL AND fetched_version IS DISTINCT FROM version
  ORDER BY call_date, source OFFSET 0) AS unfetched;
