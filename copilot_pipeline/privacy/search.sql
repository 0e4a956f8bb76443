-- name: people_by_email
-- Return what participants and users with one of these addresses are named and which users they are.
SELECT DISTINCT name, email, user_id, is_user FROM (
  SELECT name, email, user_id, side = 'rep' AS is_user FROM copilot.participants
  UNION ALL SELECT name, email, user_id, true FROM copilot.users
  UNION ALL SELECT name, email, user_id, true FROM copilot.user_history
) AS people WHERE lower(email) = ANY(%(emails)s);

-- name: people_by_user
-- Return the names and addresses that users have and had.
SELECT DISTINCT name, email, user_id, true AS is_user FROM (
  SELECT name, email, user_id FROM copilot.users UNION ALL SELECT name, email, user_id FROM copilot.user_history
) AS people WHERE user_id = ANY(%(user_ids)s);

-- name: names_of_others
-- Return the names of all people, with their addresses and numbers.
SELECT DISTINCT name, email, user_id, is_user, phone FROM (
  SELECT name, email, user_id, side = 'rep' AS is_user, phone FROM copilot.participants
  UNION ALL SELECT name, email, user_id, true, NULL FROM copilot.users
  UNION ALL SELECT name, email, user_id, true, NULL FROM copilot.user_history
) AS people WHERE name IS NOT NULL;

-- name: unstored_bodies
-- Return the bodies of calls that no raw file holds yet.
SELECT call_id, body FROM copilot_ops.bodies ORDER BY call_id, part;

-- name: runs_of_calls
-- Return the ids of the Semarize runs of some calls.
SELECT run_id FROM (
  SELECT call_id, run_id FROM copilot_ops.semarize_runs UNION SELECT call_id, run_id FROM copilot_ops.replaced_runs
) AS runs WHERE call_id = ANY(%(call_ids)s) AND run_id IS NOT NULL ORDER BY 1;

-- name: sentences_of_calls
-- Return what was said on some calls.
SELECT text FROM copilot.utterances WHERE call_id = ANY(%(call_ids)s);

-- name: scored
-- Return the Semarize runs of some calls whose transcript was sent.
SELECT call_id, kit, run_id, requested_at FROM (
  SELECT call_id, kit, run_id, requested_at FROM copilot_ops.semarize_runs
  UNION ALL SELECT call_id, kit, run_id, requested_at FROM copilot_ops.replaced_runs
) AS runs WHERE call_id = ANY(%(call_ids)s) AND run_id IS NOT NULL ORDER BY requested_at, kit;

-- name: delivered
-- Return the deliveries about some calls that were sent, or whose response was lost.
SELECT id, sink, route, target, call_id, state, completed_at AS sent_at FROM copilot_ops.outbox
WHERE (call_id = ANY(%(call_ids)s) OR id = ANY(%(ids)s))
  AND (state IN ('sent', 'uncertain', 'superseded') OR sent_fields IS NOT NULL)
ORDER BY completed_at, id;

-- name: days_of_calls
-- Return the days of some calls.
SELECT DISTINCT call_date FROM (
  SELECT call_id, call_date FROM copilot_ops.calls UNION SELECT call_id, stored_date FROM copilot_ops.calls
  UNION SELECT call_id, call_date FROM copilot.calls
) AS known WHERE call_id = ANY(%(call_ids)s) AND call_date IS NOT NULL ORDER BY 1;

-- name: count_calls
-- Count all calls.
SELECT count(*) FROM copilot_ops.calls;

-- name: calls_of_days
-- Count the calls of some days.
SELECT call_date, count(*) AS calls FROM copilot_ops.calls WHERE call_date = ANY(%(days)s)
GROUP BY call_date ORDER BY call_date;

-- name: calls_of_emails
-- Return the calls in which a person with one of these addresses took part.
SELECT DISTINCT call_id FROM copilot.participants WHERE lower(email) = ANY(%(emails)s);

-- name: delivery_at
-- Return the id of a delivery by its place in the table.
SELECT id FROM copilot_ops.outbox WHERE ctid = %(row)s::tid;

-- name: written_files
-- Return the files that commands wrote outside of the home.
SELECT path FROM copilot_ops.written_files ORDER BY path;
