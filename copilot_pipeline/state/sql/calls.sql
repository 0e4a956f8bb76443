-- name: now
-- Return the time of the database.
SELECT clock_timestamp();

-- name: record
-- Insert or update listed calls, and store the items that are new or changed.
WITH listed AS (
  SELECT * FROM unnest(
    %(call_ids)s::text[], %(call_dates)s::date[], %(started_at)s::timestamptz[], %(modified_at)s::timestamptz[],
    %(statuses)s::text[], %(readiness)s::text[], %(versions)s::text[], %(content_hashes)s::text[],
    %(items)b::bytea[], %(has_details)s::boolean[]
  ) AS page (
    call_id, call_date, started_at, modified_at, status_raw, readiness, version, content_hash, body, has_details
  )
), recorded AS (
  INSERT INTO copilot_ops.calls AS existing (
    call_id, call_date, started_at, modified_at, status_raw, readiness, version, content_hash, listed_at, seen_at,
    fetched_version, fetched_at, next_attempt_at, source
  )
  SELECT call_id, call_date, started_at, modified_at, status_raw, readiness, version, content_hash,
    statement_timestamp(), statement_timestamp(),
    CASE WHEN has_details THEN version END, CASE WHEN has_details THEN statement_timestamp() END,
    CASE WHEN readiness IN ('pending', 'unknown') THEN now() + make_interval(hours => %(first_retry_hours)s) END,
    %(source)s
  FROM listed ORDER BY call_id
  ON CONFLICT (call_id) DO UPDATE SET
    call_date = excluded.call_date, started_at = excluded.started_at, modified_at = excluded.modified_at,
    status_raw = excluded.status_raw, readiness = excluded.readiness,
    attempts = CASE WHEN existing.version = excluded.version THEN existing.attempts ELSE 0 END,
    next_attempt_at = CASE WHEN existing.version = excluded.version THEN existing.next_attempt_at
                           ELSE excluded.next_attempt_at END,
    source = CASE WHEN existing.version = excluded.version AND existing.content_hash = excluded.content_hash
                  THEN existing.source ELSE excluded.source END,
    listed_at = CASE WHEN existing.content_hash = excluded.content_hash THEN existing.listed_at
                     ELSE excluded.listed_at END,
    is_dirty = existing.is_dirty OR existing.content_hash <> excluded.content_hash
               OR existing.removed_at IS NOT NULL OR existing.call_date <> excluded.call_date,
    version = excluded.version, content_hash = excluded.content_hash,
    fetched_version = coalesce(excluded.fetched_version, existing.fetched_version),
    fetched_at = CASE WHEN existing.content_hash = excluded.content_hash THEN existing.fetched_at
                      ELSE coalesce(excluded.fetched_at, existing.fetched_at) END,
    seen_at = excluded.seen_at, removed_at = NULL
  RETURNING call_id, listed_at = seen_at AS is_changed
)
INSERT INTO copilot_ops.bodies AS stored (call_id, part, received_at, body)
SELECT call_id, 'listed', statement_timestamp(), body FROM listed JOIN recorded USING (call_id) WHERE is_changed
ON CONFLICT (call_id, part) DO UPDATE SET received_at = excluded.received_at, body = excluded.body;

-- name: to_fetch
-- Return the calls of some days whose listed version can be fetched now, and on request the quarantined ones.
SELECT call_id, call_date, version FROM copilot_ops.unfetched_calls
WHERE call_date = ANY(%(days)s) AND (is_due OR (%(with_quarantined)s AND quarantine_reason IS NOT NULL))
ORDER BY call_date DESC, call_id;

-- name: to_fetch_among
-- Return those of some calls that are of these days and can be fetched now, and on request the quarantined ones.
SELECT call_id, call_date, version FROM copilot_ops.unfetched_calls
WHERE call_id = ANY(%(call_ids)s) AND call_date = ANY(%(days)s)
  AND (is_due OR (%(with_quarantined)s AND quarantine_reason IS NOT NULL))
ORDER BY call_date DESC, call_id;

-- name: to_fetch_from
-- Return calls with a change from one of these sources that can be fetched now.
SELECT call_id, call_date, version FROM copilot_ops.unfetched_calls
WHERE source = ANY(%(sources)s) AND is_due
ORDER BY call_date DESC, call_id LIMIT %(limit)s;

-- name: deferred
-- Return the calls of some days that could not be fetched and are retried later, without the quarantined ones.
SELECT call_id, call_date, last_problem AS problem, next_attempt_at FROM copilot_ops.unfetched_calls
WHERE call_date = ANY(%(days)s) AND NOT is_due AND quarantine_reason IS NULL
ORDER BY call_date DESC, call_id;

-- name: unfinished_days
-- Return the days with calls from these sources that must be fetched or stored.
SELECT call_date FROM copilot_ops.calls WHERE is_dirty AND source = ANY(%(sources)s)
  AND NOT EXISTS (SELECT FROM copilot_ops.partitions AS days
    WHERE days.call_date = calls.call_date AND days.raw_removed_at IS NOT NULL)
UNION
SELECT call_date FROM copilot_ops.unfetched_calls WHERE is_due AND source = ANY(%(sources)s)
ORDER BY call_date DESC;

-- name: days_to_store
-- Return the days whose raw file lacks a change from one of these sources.
SELECT DISTINCT call_date FROM copilot_ops.calls
WHERE is_dirty AND source = ANY(%(sources)s)
  AND NOT EXISTS (SELECT FROM copilot_ops.partitions AS days
    WHERE days.call_date = calls.call_date AND days.raw_removed_at IS NOT NULL)
ORDER BY call_date DESC;

-- name: store_details
-- Store details with their versions; those with a problem are deferred.
SELECT copilot_ops.store_details(
  %(call_ids)s::text[], %(versions)s::text[], %(bodies)b::bytea[], %(problems)s::text[], %(backoff_hours)s::integer[]
);

-- name: quarantine_details
-- Defer a call whose details were garbled or too large. What is stored of it stays.
UPDATE copilot_ops.calls SET quarantine_reason = %(reason)s, last_problem = NULL, is_dirty = true,
  attempts = attempts + 1,
  next_attempt_at = now() + make_interval(
    hours => (%(backoff_hours)s::integer[])[least(attempts + 1, array_length(%(backoff_hours)s::integer[], 1))])
WHERE call_id = %(call_id)s;

-- name: record_failure
-- Count a failed attempt, and defer the call after a number of immediate retries.
UPDATE copilot_ops.calls SET last_problem = %(problem)s, attempts = attempts + 1,
  next_attempt_at = CASE WHEN attempts + 1 > %(immediate_retries)s THEN now() + make_interval(
    hours => (%(backoff_hours)s::integer[])[
      least(attempts + 1 - %(immediate_retries)s, array_length(%(backoff_hours)s::integer[], 1))]) END
WHERE call_id = %(call_id)s;

-- name: find
-- Return the state of a call.
SELECT call_id, calls.call_date, started_at, readiness,
  fetched_version IS NOT DISTINCT FROM version AND removed_at IS NULL AS is_fetched,
  NOT is_dirty AND coalesce(loaded_at >= stored_at, false) AS is_loaded,
  (SELECT count(*) FROM copilot_ops.semarize_runs AS runs
    WHERE runs.call_id = calls.call_id AND runs.finished_at IS NOT NULL) AS finished_runs
FROM copilot_ops.calls LEFT JOIN copilot_ops.partitions USING (call_date)
WHERE call_id = %(call_id)s;

-- name: due_for_retry
-- Return calls that were not ready and are due for another attempt, the one due longest first.
SELECT call_id, started_at, attempts FROM copilot_ops.calls
WHERE readiness IN ('pending', 'unknown') AND removed_at IS NULL AND next_attempt_at <= now()
  AND started_at <= now() AND attempts < %(max_attempts)s
  AND NOT EXISTS (SELECT FROM copilot_ops.partitions AS days
    WHERE days.call_date = calls.call_date AND days.raw_removed_at IS NOT NULL)
ORDER BY next_attempt_at LIMIT %(limit)s;

-- name: seen_before
-- Return the start of those of some calls that no list has shown for some time.
SELECT call_id, started_at FROM copilot_ops.calls
WHERE call_id = ANY(%(call_ids)s) AND seen_at < now() - %(age)s::interval;

-- name: mark_removed
-- Mark calls that the list does not show any more.
UPDATE copilot_ops.calls SET removed_at = clock_timestamp(), is_dirty = true
WHERE removed_at IS NULL AND call_id IN (
  SELECT call_id FROM copilot_ops.calls WHERE call_id = ANY(%(call_ids)s) ORDER BY call_id FOR UPDATE
)
RETURNING call_date;
