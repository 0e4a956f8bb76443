-- name: exists
-- Return whether Dagster has created its table of heartbeats in this database.
SELECT to_regclass('public.daemon_heartbeats') IS NOT NULL;

-- name: last_heartbeat
-- Return the seconds since the last heartbeat of the part of the daemon that starts schedules.
SELECT extract(epoch FROM clock_timestamp() - max(timestamp) AT TIME ZONE 'UTC')::float8
FROM public.daemon_heartbeats WHERE daemon_type = 'SCHEDULER';
