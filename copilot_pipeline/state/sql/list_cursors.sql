-- name: delete_older
-- Delete the cursor of a window if its listing started before a moment.
DELETE FROM copilot_ops.list_cursors
WHERE source = %(source)s AND basis = %(basis)s AND after = %(after)s AND before = %(before)s
  AND started_at < %(since)s;

-- name: start
-- Add a cursor at the first page, unless the window has one.
INSERT INTO copilot_ops.list_cursors (source, basis, after, before, skip, started_at)
VALUES (%(source)s, %(basis)s, %(after)s, %(before)s, 0, clock_timestamp())
ON CONFLICT (source, basis, after, before) DO NOTHING;

-- name: find
-- Return the cursor of a window.
SELECT started_at, skip, matched, is_split, is_complete FROM copilot_ops.list_cursors
WHERE source = %(source)s AND basis = %(basis)s AND after = %(after)s AND before = %(before)s;

-- name: mark_seen
-- Record that a listing showed calls whose items cannot be parsed.
UPDATE copilot_ops.calls SET seen_at = statement_timestamp() WHERE call_id = ANY(%(call_ids)s);

-- name: advance
-- Move the cursor of a window to its next page.
UPDATE copilot_ops.list_cursors SET skip = %(skip)s, matched = %(matched)s, is_complete = %(is_complete)s
WHERE source = %(source)s AND basis = %(basis)s AND after = %(after)s AND before = %(before)s;

-- name: mark_split
-- Record that a window is listed in halves.
UPDATE copilot_ops.list_cursors SET is_split = true
WHERE source = %(source)s AND basis = %(basis)s AND after = %(after)s AND before = %(before)s;

-- name: mark_removed
-- Mark the calls of some days, and within the window of a listing, that it has not shown since it started.
UPDATE copilot_ops.calls SET removed_at = clock_timestamp(), is_dirty = true
WHERE call_date = ANY(%(days)s) AND call_id IN (
  SELECT call_id FROM copilot_ops.calls
  WHERE call_date = ANY(%(days)s) AND seen_at < %(listing_started_at)s AND removed_at IS NULL
    AND started_at > %(after)s AND started_at < %(before)s
  ORDER BY call_id FOR UPDATE
);

-- name: mark_listed
-- Record when the last complete listing of some days started.
INSERT INTO copilot_ops.partitions (call_date, listed_at)
SELECT call_date, %(listing_started_at)s FROM unnest(%(days)s::date[]) AS listed (call_date) ORDER BY call_date
ON CONFLICT (call_date) DO UPDATE SET listed_at = greatest(partitions.listed_at, excluded.listed_at);

-- name: finish
-- Delete the cursors of a window and of its parts.
DELETE FROM copilot_ops.list_cursors
WHERE source = %(source)s AND basis = %(basis)s AND after >= %(after)s AND before <= %(before)s;

-- name: days_listed
-- Return those of some days whose last complete listing started since a moment.
SELECT call_date FROM copilot_ops.partitions WHERE call_date = ANY(%(days)s) AND listed_at >= %(since)s;

-- name: start_command
-- Return when a command was first given that has not finished since; after some time it counts as a new one.
INSERT INTO copilot_ops.key_values AS existing (name, value) VALUES (%(name)s, %(now)s)
ON CONFLICT (name) DO UPDATE SET
  value = CASE WHEN existing.value::timestamptz < %(oldest)s THEN excluded.value ELSE existing.value END
RETURNING value::timestamptz;

-- name: finish_command
-- Delete the time at which a command was given.
DELETE FROM copilot_ops.key_values WHERE name = %(name)s;
