-- name: call_dates
-- First and last day with calls, from a day on if one is given.
SELECT min(call_date) AS first, max(call_date) AS last FROM copilot.calls
WHERE %(since)s::date IS NULL OR call_date >= %(since)s;

-- name: answered_bricks
-- Every brick with a score, with the kinds of its values, between two days if they are given.
SELECT kit, brick,
  coalesce(array_agg(DISTINCT value_kind) FILTER (WHERE value_kind <> 'null'), '{}') AS kinds
FROM copilot.semarize_scores
WHERE %(first)s::date IS NULL OR call_date BETWEEN %(first)s AND %(last)s
GROUP BY kit, brick
ORDER BY kit COLLATE "C", brick COLLATE "C";

-- name: highest_scores
-- The highest score of some bricks.
SELECT kit, brick, max(value_num) AS highest
FROM copilot.semarize_scores
WHERE (kit, brick) IN (SELECT * FROM unnest(%(kits)s::text[], %(bricks)s::text[])) AND value_num IS NOT NULL
GROUP BY kit, brick;

-- name: reps
-- The workspace's users with their managers.
SELECT users.user_id AS rep_id, users.name, users.manager_id, managers.name AS manager_name,
  managers.email AS manager_email, users.email
FROM copilot.users LEFT JOIN copilot.users AS managers ON managers.user_id = users.manager_id;

-- name: user_versions
-- Every version of the workspace's users, in the order of time.
SELECT user_id, valid_from, valid_to, name, email, role, is_recording, manager_id, seen_at
FROM copilot.user_history ORDER BY valid_from;

-- name: ids_with_addresses
-- Every user id with each e-mail address that calls show for it.
SELECT user_id, email FROM copilot.participants WHERE side = 'rep' AND user_id IS NOT NULL AND email IS NOT NULL
UNION
SELECT rep_user_id, rep_email FROM copilot.calls WHERE rep_user_id IS NOT NULL AND rep_email IS NOT NULL;

-- name: deals
-- Every deal that the CRM has not deleted, with the history of its stages and the custom fields of its account.
SELECT deals.deal_id, deals.name, deals.account_name, amount, currency, stage, forecast_category, close_date,
  deals.created_at, stage_history::text, accounts.custom_fields AS account_fields
FROM copilot.deals AS deals LEFT JOIN copilot.accounts AS accounts USING (account_id)
WHERE deals.outcome <> 'deleted'
ORDER BY deals.deal_id COLLATE "C";

-- name: covered_shares
-- The share of MEDDICC elements that each deal covers on any call.
SELECT grain_id AS deal_id, avg(CASE WHEN covered > 0 THEN 1.0 ELSE 0.0 END)::float8 AS share
FROM copilot.meddicc_summary
WHERE grain = 'deal'
GROUP BY grain_id;
