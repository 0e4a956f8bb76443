-- name: find
-- Return what a partition of some tables was made from.
SELECT inputs, files, facts FROM copilot_ops.table_versions WHERE tables = %(tables)s AND call_date = %(day)s;

-- name: record
-- Record what a partition of some tables was made from.
INSERT INTO copilot_ops.table_versions (tables, call_date, inputs, files, facts, built_at, contents, contents_at, checksums)
VALUES (%(tables)s, %(day)s, %(inputs)s, %(files)s, %(facts)s, now(), %(contents)s, now(), %(checksums)s)
ON CONFLICT (tables, call_date) DO UPDATE SET inputs = excluded.inputs, files = excluded.files,
  facts = excluded.facts, built_at = excluded.built_at, contents = excluded.contents, contents_at = excluded.contents_at,
  checksums = excluded.checksums;

-- name: contents
-- Return what the rows of a partition are, unless a process of the release before, which records no contents, built it.
SELECT contents, checksums, files, built_at FROM copilot_ops.table_versions
WHERE tables = %(tables)s AND call_date = %(day)s AND contents IS NOT NULL AND contents_at = built_at;

-- name: hold_contents
-- Lock the record of a partition if it is still the one of a time: what changes rows otherwise deletes it first.
SELECT 1 FROM copilot_ops.table_versions
WHERE tables = %(tables)s AND call_date = %(day)s AND built_at = %(built_at)s FOR UPDATE;

-- name: forget
-- Forget what a partition of some tables was made from, so that it is rebuilt.
DELETE FROM copilot_ops.table_versions WHERE tables = %(tables)s AND call_date = %(day)s;

-- name: raw_version
-- Return what identifies the raw file of a day; no row if it must be written again, or was removed because of its age.
SELECT extract(epoch FROM stored_at) || ' ' || coalesce(extract(epoch FROM texts_removed_at)::text, '') AS version, is_stale
FROM copilot_ops.partitions
WHERE call_date = %(day)s AND stored_at IS NOT NULL AND raw_removed_at IS NULL;

-- name: call_tables_version
-- Return what identifies the call tables of a day; no row if they were never loaded.
SELECT extract(epoch FROM loaded_at) || ' ' || coalesce(extract(epoch FROM texts_removed_at)::text, '') AS version, is_stale
FROM copilot_ops.partitions WHERE call_date = %(day)s AND loaded_at IS NOT NULL;

-- name: runs_version
-- Return a hash of the Semarize runs of a day's calls. The body of a result never changes, unless it is removed.
SELECT coalesce(md5(string_agg(runs::text, chr(10) ORDER BY runs::text)), '') FROM (
  SELECT call_id, kit, kit_reference, transcript_hash, runs.call_date, status, run_id, kit_version_id, requested_at,
    finished_at, duration_ms, error_code, error_message, length(answer), rescore_id, runs.speech_hash
  FROM copilot_ops.calls JOIN copilot_ops.semarize_runs AS runs USING (call_id)
  WHERE calls.call_date = %(day)s) AS runs;

-- name: mark_loading
-- Tell the triggers of the tables whether the changes of this transaction are those of a load.
SELECT set_config('copilot.is_loading', %(is_loading)s, true);

-- name: snapshot_time
-- Return when an unpartitioned table was last replaced or confirmed.
SELECT loaded_at FROM copilot_ops.snapshots WHERE name = %(name)s;

-- name: confirm_snapshot
-- Record that an unpartitioned table is as it should be now, unless it was replaced since `loaded_at`.
UPDATE copilot_ops.snapshots SET loaded_at = clock_timestamp(),
  deals_as_of = (SELECT loaded_at FROM copilot_ops.snapshots WHERE name = 'deals'),
  users_as_of = (SELECT loaded_at FROM copilot_ops.snapshots WHERE name = 'users')
WHERE name = %(name)s AND loaded_at = %(loaded_at)s RETURNING loaded_at;

-- name: confirm_marts
-- Record that marts which were not built again are as they would be with the present deals and users.
UPDATE copilot_ops.snapshots SET deals_as_of = (SELECT loaded_at FROM copilot_ops.snapshots WHERE name = 'deals'),
  users_as_of = (SELECT loaded_at FROM copilot_ops.snapshots WHERE name = 'users')
WHERE name = ANY(%(names)s);

-- name: versions_of_tables
-- Return what identifies the rows of each group of tables that have a version.
SELECT tables, md5(string_agg(call_date || ' ' || inputs, chr(10) ORDER BY call_date))
FROM copilot_ops.table_versions GROUP BY tables;

-- name: unversioned_days_of_calls
-- Return the days with calls that have no version, because they are incomplete, or were changed by something else than a load.
SELECT call_date FROM (SELECT DISTINCT call_date FROM copilot.calls) AS days
WHERE call_date NOT IN (SELECT call_date FROM copilot_ops.table_versions WHERE tables = 'calls') ORDER BY call_date;

-- name: unversioned_days_of_scores
-- Return the days with Semarize runs whose scores have no version.
SELECT call_date FROM (SELECT DISTINCT call_date FROM copilot.semarize_runs) AS days
WHERE call_date NOT IN (SELECT call_date FROM copilot_ops.table_versions WHERE tables = 'scores') ORDER BY call_date;

-- name: upcoming_calls
-- Count the calls that have not started yet.
SELECT count(*) FROM copilot.calls WHERE call_date >= current_date - 1 AND started_at > now();
