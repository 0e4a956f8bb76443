-- name: people
-- Return the names and addresses of all people.
SELECT DISTINCT name, email FROM (
  SELECT name, email FROM copilot.participants UNION ALL SELECT name, email FROM copilot.users
  UNION ALL SELECT name, email FROM copilot.user_history
) AS people;

-- name: call_ids
-- Return the ids of all calls.
SELECT call_id FROM copilot_ops.calls UNION SELECT call_id FROM copilot.calls
UNION SELECT call_id FROM copilot_ops.semarize_runs;
