-- name: duplicate_calls
-- Calls of each day that are stored more than once.
SELECT call_date AS day, count(*) - count(DISTINCT call_id) AS offending, count(*) AS total
FROM copilot.calls WHERE call_date >= %(first)s GROUP BY 1;

-- name: ready_calls_without_transcript
-- Ready calls of each day that have no transcript.
SELECT calls.call_date AS day, count(*) FILTER (WHERE transcripts.call_id IS NULL) AS offending, count(*) AS total
FROM copilot.calls LEFT JOIN copilot.transcripts USING (call_id)
WHERE calls.status = 'ready' AND calls.call_date >= %(first)s GROUP BY 1;

-- name: utterances_of_unknown_side
-- Utterances of each day whose speaker belongs to no known side.
SELECT call_date AS day, count(*) FILTER (WHERE side = 'unknown') AS offending, count(*) AS total
FROM copilot.utterances WHERE call_date >= %(first)s GROUP BY 1;

-- name: quarantined_bodies
-- Quarantined response bodies of each day.
SELECT call_date AS day, count(*) AS offending, count(*) AS total
FROM copilot_ops.quarantine WHERE call_date >= %(first)s GROUP BY 1;

-- name: stored_days
-- Days whose raw partition is stored.
SELECT call_date AS day FROM copilot_ops.partitions WHERE stored_at IS NOT NULL AND call_date >= %(first)s;
