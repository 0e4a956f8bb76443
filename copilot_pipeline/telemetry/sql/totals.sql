-- name: runs
-- Return the ended Semarize runs by kit and state, and the paid ones, of replaced answers too. Reads indexes only.
SELECT 'copilot_pipeline_semarize_runs' AS metric, jsonb_build_object('kit', kit, 'state', state) AS labels,
  sum(runs)::float8 AS value
FROM (
  SELECT kit, CASE WHEN status = 'succeeded' THEN 'succeeded' ELSE 'failed' END AS state, count(*) AS runs
  FROM copilot_ops.semarize_runs
  WHERE status NOT IN ('pending', 'queued', 'running', 'unknown') GROUP BY kit, status
  UNION ALL
  SELECT kit, 'paid', count(*) FROM copilot_ops.semarize_runs WHERE run_id IS NOT NULL GROUP BY kit
  UNION ALL
  SELECT kit, 'paid', count(*) FROM copilot_ops.replaced_runs WHERE run_id IS NOT NULL GROUP BY kit
) AS counted GROUP BY kit, state;

-- name: deliveries
-- Return the ended deliveries by sink and state. Reads an index only.
SELECT 'copilot_pipeline_outbox_deliveries' AS metric, jsonb_build_object('sink', sink, 'state', state) AS labels,
  count(*)::float8 AS value
FROM copilot_ops.outbox WHERE state NOT IN ('queued', 'sending', 'uncertain') GROUP BY sink, state;

-- name: quarantine
-- Return the number of quarantined bodies.
SELECT 'copilot_pipeline_quarantined_bodies' AS metric, '{}'::jsonb AS labels, count(id)::float8 AS value
FROM copilot_ops.quarantine;

-- name: sizes
-- Return the size of the tables and indexes of each schema, from the files of the server.
SELECT 'copilot_pipeline_database_bytes' AS metric, jsonb_build_object('schema', nspname) AS labels,
  sum(pg_total_relation_size(pg_class.oid))::float8 AS value
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind IN ('r', 'm') AND nspname IN ('copilot', 'copilot_ops', 'public') GROUP BY nspname;
