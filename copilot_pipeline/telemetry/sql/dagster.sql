-- name: exists
-- Return whether Dagster has created its tables in this database.
SELECT to_regclass('public.run_tags') IS NOT NULL AND to_regclass('public.daemon_heartbeats') IS NOT NULL;

-- name: schedules
-- Return the end of the last successful run of each schedule.
SELECT 'copilot_pipeline_schedule_last_success_timestamp_seconds' AS metric,
  jsonb_build_object('schedule', schedule) AS labels, coalesce((
    SELECT end_time FROM public.runs AS run
    WHERE run.pipeline_name = job AND run.status = 'SUCCESS' AND EXISTS (
      SELECT 1 FROM public.run_tags AS tag
      WHERE tag.run_id = run.run_id AND tag.key = 'dagster/schedule_name' AND tag.value = schedule)
    ORDER BY run.id DESC LIMIT 1), 0)::float8 AS value
FROM unnest(%(schedules)s::text[], %(jobs)s::text[]) AS known (schedule, job);

-- name: daemons
-- Return the last heartbeat of each part of the daemon.
SELECT 'copilot_pipeline_dagster_daemon_heartbeat_timestamp_seconds' AS metric,
  jsonb_build_object('daemon', daemon_type) AS labels,
  extract(epoch FROM timestamp AT TIME ZONE 'UTC')::float8 AS value
FROM public.daemon_heartbeats;

-- name: runs
-- Return the runs that have not ended by job and status, and those that failed within a day and are not started again.
SELECT 'copilot_pipeline_dagster_runs' AS metric,
  jsonb_build_object('job', pipeline_name, 'status', status) AS labels, count(*)::float8 AS value
FROM public.runs WHERE status IN ('QUEUED', 'NOT_STARTED', 'STARTING', 'STARTED', 'CANCELING')
GROUP BY pipeline_name, status
UNION ALL
SELECT 'copilot_pipeline_dagster_failed_runs_last_day', jsonb_build_object('job', pipeline_name), count(*)
FROM public.runs AS run
WHERE status = 'FAILURE' AND update_timestamp > (now() AT TIME ZONE 'UTC') - interval '1 day' AND NOT EXISTS (
  SELECT FROM public.run_tags AS tag
  WHERE tag.run_id = run.run_id AND tag.key = 'dagster/will_retry' AND tag.value = 'true')
GROUP BY pipeline_name;
