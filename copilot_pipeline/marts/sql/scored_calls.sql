-- name: call_dates
-- First and last day with calls, from a day on if one is given.
SELECT min(call_date) AS first, max(call_date) AS last FROM copilot.calls
WHERE %(since)s::date IS NULL OR call_date >= %(since)s;

-- name: calls_between
-- Calls of some days that were held and are still in the vendor's list, oldest first.
SELECT call_id, call_date, started_at, rep_user_id, rep_email, rep_name, deal_id, review_url,
  coalesce(duration_s, speak_duration_s) AS duration_s
FROM copilot.calls
WHERE call_date BETWEEN %(first)s AND %(last)s AND removed_at IS NULL
  AND status IN ('ready', 'pending') AND started_at <= now()
ORDER BY started_at, call_id;

-- name: calls_of_deals
-- Calls of some deals that were held and are still in the vendor's list, oldest first.
SELECT call_id, call_date, started_at, rep_user_id, rep_email, rep_name, deal_id, review_url,
  coalesce(duration_s, speak_duration_s) AS duration_s
FROM copilot.calls
WHERE deal_id = ANY(%(deal_ids)s) AND removed_at IS NULL AND status IN ('ready', 'pending') AND started_at <= now()
ORDER BY started_at, call_id;

-- name: calls_with_runs
-- Calls of some days, and some calls by id, that have runs: the columns that rules may refer to.
SELECT account_id, account_name, call_date, call_id, call_type, crm_system, deal_id, deal_name, deal_stage_before_call,
  deal_stage_live, deal_value, disposition, duration_s, organizer_email, rep_email, rep_name, rep_talk_share,
  review_url, started_at, status, summary, title,
  (SELECT currency FROM copilot.deals WHERE deals.deal_id = calls.deal_id) AS deal_currency
FROM copilot.calls
WHERE (call_date = ANY(%(days)s) OR call_id = ANY(%(call_ids)s)) AND removed_at IS NULL
  AND EXISTS (SELECT 1 FROM copilot.semarize_runs AS runs WHERE runs.call_id = calls.call_id)
ORDER BY call_id;

-- name: runs
-- The runs of some calls, by call and kit.
SELECT call_id, kit, status, kit_version_id, finished_at,
  concat_ws(':', kit_version_id, run_id, transcript_hash) AS version
FROM copilot.semarize_runs
WHERE call_id = ANY(%(call_ids)s)
ORDER BY call_id, kit;

-- name: scores
-- The answers of some bricks (NULL: of all) on some calls, with the quotations on request.
SELECT call_id, kit, brick, value_kind, value_bool, value_num, value_text, value_json, confidence, reason,
  CASE WHEN %(with_evidence)s THEN evidence END AS evidence
FROM copilot.semarize_scores
WHERE call_id = ANY(%(call_ids)s)
  AND (%(kits)s::text[] IS NULL OR (kit, brick) IN (SELECT * FROM unnest(%(kits)s::text[], %(bricks)s::text[])))
ORDER BY call_id, kit, brick;

-- name: quotes
-- The quotes of some bricks (NULL: of all) on some calls, with the passage of the transcript that each was found in.
SELECT call_id, kit, brick, quote, match, match_score, seq, start_s, speaker, side, said, person_id
FROM copilot.evidence
WHERE call_id = ANY(%(call_ids)s)
  AND (%(kits)s::text[] IS NULL OR (kit, brick) IN (SELECT * FROM unnest(%(kits)s::text[], %(bricks)s::text[])))
ORDER BY call_id, kit, brick, position;

-- name: prospects
-- The prospects on some calls by name, else e-mail address, without invitees who did not join.
SELECT call_id, array_agg(DISTINCT coalesce(name, email) ORDER BY coalesce(name, email)) AS names
FROM copilot.participants
WHERE call_id = ANY(%(call_ids)s) AND side = 'prospect' AND coalesce(name, email) IS NOT NULL
  AND joined IS NOT FALSE
GROUP BY call_id;

-- name: team
-- The workspace's own people who spoke on some calls.
SELECT call_id, person_id, name, user_id, email
FROM copilot.participants
WHERE call_id = ANY(%(call_ids)s) AND side = 'rep' AND utterances > 0;

-- name: speech
-- What the workspace's own people said on the calls of some days that were held.
SELECT calls.call_id, calls.call_date, calls.started_at, calls.deal_id, calls.review_url, calls.rep_user_id,
  calls.rep_email, calls.rep_name, people.user_id, people.email, people.name, people.talk_seconds, people.talk_share,
  people.utterances, people.words
FROM copilot.calls AS calls
  JOIN copilot.participants AS people ON people.call_id = calls.call_id AND people.call_date = calls.call_date
WHERE calls.call_date BETWEEN %(first)s AND %(last)s AND calls.removed_at IS NULL
  AND calls.status IN ('ready', 'pending') AND calls.started_at <= now()
  AND people.side = 'rep' AND people.utterances > 0
ORDER BY calls.call_date, calls.call_id, people.person_id;

-- name: ids_with_addresses
-- Every user id with each e-mail address that calls show for it.
SELECT user_id, email FROM copilot.participants WHERE side = 'rep' AND user_id IS NOT NULL AND email IS NOT NULL
UNION
SELECT rep_user_id, rep_email FROM copilot.calls WHERE rep_user_id IS NOT NULL AND rep_email IS NOT NULL;

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

-- name: deals
-- Every deal that the CRM has not deleted, with the history of its stages and the custom fields of its account.
SELECT deals.deal_id, deals.name, deals.account_name, amount, currency, stage, forecast_category, close_date,
  deals.created_at, stage_history::text, accounts.custom_fields AS account_fields
FROM copilot.deals AS deals LEFT JOIN copilot.accounts AS accounts USING (account_id)
WHERE deals.outcome <> 'deleted'
ORDER BY deals.deal_id COLLATE "C";

-- name: utterances
-- The utterances of a call, in order.
SELECT seq, speaker, side, start_s, text, person_id
FROM copilot.utterances
WHERE call_id = %(call_id)s
ORDER BY seq;

-- name: rep_words
-- What the reps said on the calls of a day, one text per call.
SELECT call_id, string_agg(text, E'\n' ORDER BY seq) AS words
FROM copilot.utterances
WHERE call_date = %(day)s AND side = 'rep'
GROUP BY call_id;

-- name: covered_shares
-- The share of MEDDICC elements that each deal covers on any call.
SELECT grain_id AS deal_id, avg(CASE WHEN covered > 0 THEN 1.0 ELSE 0.0 END)::float8 AS share
FROM copilot.meddicc_summary
WHERE grain = 'deal'
GROUP BY grain_id;
