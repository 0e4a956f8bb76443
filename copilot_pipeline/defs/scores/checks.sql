-- name: transcripts_without_score
-- Pairs of transcript and kit of each day that have no score, unless the kit does not apply to the call.
SELECT transcripts.call_date AS day,
  count(*) FILTER (WHERE status IS NULL OR status <> 'skipped' AND (status <> 'succeeded' OR bricks = 0)) AS offending,
  count(*) AS total
FROM copilot.transcripts CROSS JOIN unnest(%(kits)s::text[]) AS kits (kit)
LEFT JOIN copilot.semarize_runs AS runs USING (call_id, kit)
WHERE transcripts.call_date >= %(first)s GROUP BY 1;

-- name: quotes_not_found
-- Quotes of each day that are not found in their transcript.
SELECT call_date AS day, count(*) FILTER (WHERE match = 'not found') AS offending, count(*) AS total
FROM copilot.evidence WHERE call_date >= %(first)s GROUP BY 1;

-- name: deliveries_not_accepted
-- Deliveries of each day that a sink refused, or whose outcome is unknown.
SELECT call_started_at::date AS day, count(*) FILTER (WHERE state IN ('failed', 'uncertain')) AS offending,
  count(*) AS total
FROM copilot_ops.outbox WHERE call_started_at >= %(first)s GROUP BY 1;
