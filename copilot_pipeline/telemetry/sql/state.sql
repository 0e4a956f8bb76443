-- name: quota
-- Return the use of the weekly quota by source, what is left of it, its reset, and for how long the limiter is closed.
WITH week AS (
  SELECT copilot_ops.week_of(clock_timestamp()) AS starts_on
), used AS (
  SELECT source, requests FROM copilot_ops.request_counts JOIN week ON week_start = starts_on WHERE name = 'clari'
), total AS (
  SELECT coalesce(sum(requests), 0) AS requests FROM used
)
SELECT 'copilot_pipeline_quota_used_requests' AS metric, jsonb_build_object('source', source) AS labels,
  requests::float8 AS value
FROM used
UNION ALL
SELECT 'copilot_pipeline_quota_limit_requests', '{}', %(requests_per_week)s
UNION ALL
SELECT 'copilot_pipeline_quota_left_requests', jsonb_build_object('for', 'all'),
  greatest(0, %(requests_per_week)s - requests) FROM total
UNION ALL
SELECT 'copilot_pipeline_quota_left_requests', jsonb_build_object('for', 'backfills'),
  greatest(0, floor(%(requests_per_week)s * (1 - %(reserve)s::float8)) - requests) FROM total
UNION ALL
SELECT 'copilot_pipeline_quota_reset_timestamp_seconds', '{}',
  extract(epoch FROM (starts_on + 7)::timestamp AT TIME ZONE 'UTC') FROM week
UNION ALL
SELECT 'copilot_pipeline_rate_limiter_closed_seconds', '{}', coalesce(max(
  CASE WHEN closed_until > clock_timestamp() AND closed_because <> 'pause'
    THEN extract(epoch FROM closed_until - clock_timestamp()) END), 0)
FROM copilot_ops.rate_limits WHERE name = 'clari';

-- name: calls
-- Return the calls by state with the age of the oldest. Reads unfinished calls and one row per day.
WITH unfinished AS (
  SELECT listed_at AS since, CASE
    WHEN removed_at IS NOT NULL OR readiness NOT IN ('ready', 'pending', 'unknown') THEN
      CASE WHEN is_dirty THEN 'to_store' END
    WHEN fetched_version IS NOT DISTINCT FROM version THEN 'to_store'
    WHEN readiness <> 'ready' THEN 'not_ready'
    WHEN quarantine_reason IS NOT NULL THEN 'quarantined'
    WHEN next_attempt_at > now() THEN 'deferred'
    ELSE 'to_fetch' END AS state
  FROM copilot_ops.calls WHERE is_dirty OR fetched_version IS DISTINCT FROM version
), unloaded AS (
  SELECT call_date, calls, stored_at FROM copilot_ops.partitions
  WHERE stored_at IS NOT NULL AND raw_removed_at IS NULL AND (loaded_at >= stored_at) IS NOT TRUE
), open_calls AS (
  SELECT state, since FROM unfinished
  UNION ALL SELECT 'to_load', added_at FROM copilot_ops.pending_calls
    WHERE call_date NOT IN (SELECT call_date FROM unloaded)
  UNION ALL SELECT 'to_load', stored_at FROM unloaded CROSS JOIN generate_series(1, calls)
), counted AS (
  SELECT state, count(since) AS calls, coalesce(extract(epoch FROM clock_timestamp() - min(since)), 0) AS age
  FROM unnest(ARRAY['to_fetch', 'not_ready', 'deferred', 'quarantined', 'to_store', 'to_load']) AS known (state)
  LEFT JOIN open_calls USING (state) GROUP BY state
)
SELECT metric, jsonb_build_object('state', state) AS labels, value::float8 AS value
FROM counted CROSS JOIN LATERAL (VALUES
  ('copilot_pipeline_calls', calls), ('copilot_pipeline_calls_oldest_age_seconds', greatest(0, age))
) AS sample (metric, value)
UNION ALL
SELECT 'copilot_pipeline_calls', jsonb_build_object('state', 'stored'), coalesce(sum(calls), 0)
FROM copilot_ops.partitions;

-- name: runs
-- Return the open Semarize runs by kit with the age of the oldest.
SELECT metric, labels, value::float8 AS value
FROM (
  SELECT kit, count(*) AS runs, extract(epoch FROM clock_timestamp() - min(created_at)) AS age
  FROM copilot_ops.semarize_runs WHERE status IN ('pending', 'queued', 'running', 'unknown') GROUP BY kit
) AS counted CROSS JOIN LATERAL (VALUES
  ('copilot_pipeline_semarize_runs', jsonb_build_object('kit', kit, 'state', 'queued'), runs),
  ('copilot_pipeline_semarize_runs_oldest_age_seconds', jsonb_build_object('kit', kit), greatest(0, age))
) AS sample (metric, labels, value);

-- name: deliveries
-- Return the unfinished deliveries by sink and state with the age of the oldest, and for how long sinks have failed.
SELECT metric, jsonb_build_object('sink', sink, 'state', state) AS labels, value::float8 AS value
FROM (
  SELECT sink, state, count(*) AS deliveries, extract(epoch FROM clock_timestamp() - min(created_at)) AS age
  FROM (
    SELECT sink, state, created_at FROM copilot_ops.outbox WHERE state = 'queued'
    UNION ALL SELECT sink, state, created_at FROM copilot_ops.outbox WHERE state = 'sending'
    UNION ALL SELECT sink, state, created_at FROM copilot_ops.outbox WHERE state = 'uncertain'
  ) AS unfinished GROUP BY sink, state
) AS counted CROSS JOIN LATERAL (VALUES
  ('copilot_pipeline_outbox_deliveries', deliveries), ('copilot_pipeline_outbox_oldest_age_seconds', greatest(0, age))
) AS sample (metric, value)
UNION ALL
SELECT 'copilot_pipeline_sink_failing_seconds', jsonb_build_object('sink', name),
  CASE WHEN failures > 0 AND failing_since IS NOT NULL
    THEN extract(epoch FROM clock_timestamp() - failing_since) ELSE 0 END
FROM copilot_ops.sinks;

-- name: inbox
-- Return the received ids that no run has processed, by kind, with the age of the oldest.
SELECT metric, jsonb_build_object('kind', kind) AS labels, value::float8 AS value
FROM (
  SELECT kind, count(id) AS items, coalesce(extract(epoch FROM clock_timestamp() - min(received_at)), 0) AS age
  FROM unnest(ARRAY['call', 'run']) AS known (kind)
  LEFT JOIN (SELECT id, kind, received_at FROM copilot_ops.inbox WHERE acked_at IS NULL) AS open_items USING (kind)
  GROUP BY kind
) AS counted CROSS JOIN LATERAL (VALUES
  ('copilot_pipeline_inbox_items', items), ('copilot_pipeline_inbox_oldest_age_seconds', greatest(0, age))
) AS sample (metric, value);

-- name: incidents
-- Return the number of open incidents, and until when changes were polled.
SELECT 'copilot_pipeline_open_incidents' AS metric, '{}'::jsonb AS labels, count(*)::float8 AS value
FROM copilot_ops.incidents WHERE resolved_at IS NULL
UNION ALL
SELECT 'copilot_pipeline_polled_until_timestamp_seconds', '{}', extract(epoch FROM value::timestamptz)
FROM copilot_ops.key_values WHERE name = 'polled until';
