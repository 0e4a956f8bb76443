-- name: versions
-- Return the versions of each kit in the order of their first result, because old calls may be scored last.
SELECT scores.kit, coalesce(scores.kit_version_id, '?') AS version, count(DISTINCT call_id) AS calls,
  min(finished_at) AS first_finished_at
FROM copilot.semarize_scores AS scores LEFT JOIN copilot.semarize_runs USING (call_id, kit)
WHERE scores.call_date >= %(since)s GROUP BY 1, 2 ORDER BY 1, 4, 2;

-- name: bricks
-- Return the value kinds of each brick and the number of calls with it, by version.
SELECT kit, coalesce(kit_version_id, '?') AS version, brick, count(*) AS calls,
  coalesce(array_agg(DISTINCT value_kind) FILTER (WHERE value_kind <> 'null'), '{}') AS value_kinds
FROM copilot.semarize_scores WHERE call_date >= %(since)s GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
