-- name: deal_versions
-- Every version of the deals, by deal in the order of time.
SELECT deal_id, valid_from, valid_to, stage, amount, currency, close_date, owner_crm_id, forecast_category, probability,
  origin, seen_at
FROM copilot.deal_history ORDER BY deal_id, valid_from;

-- name: deal_names
-- The names of the deals.
SELECT deal_id, name, account_name FROM copilot.deals;

-- name: conversations_of_weeks
-- The calls of some deals in some weeks that were held, oldest first.
SELECT changed.deal_id, changed.week, calls.call_id
FROM (SELECT DISTINCT * FROM unnest(%(deal_ids)s::text[], %(weeks)s::date[]) AS pairs (deal_id, week)) AS changed
JOIN copilot.calls AS calls ON calls.deal_id = changed.deal_id
  AND date_trunc('week', calls.call_date)::date = changed.week
WHERE calls.removed_at IS NULL AND calls.status IN ('ready', 'pending') AND calls.started_at <= now()
ORDER BY calls.started_at, calls.call_id;

-- name: quotes_of_calls
-- A few quotes of each of some calls, those of prospects first, that were found in the transcript.
SELECT call_id, brick, quote, speaker FROM (
  SELECT call_id, kit, brick, quote, speaker, row_number() OVER (
    PARTITION BY call_id ORDER BY side = 'prospect' DESC NULLS LAST, kit, brick, position) AS place
  FROM copilot.evidence WHERE call_id = ANY(%(call_ids)s) AND seq IS NOT NULL
) AS ordered WHERE place <= %(quotes_per_call)s ORDER BY call_id, place;

-- name: conversation_metrics
-- The metrics of each call of a deal, with the own share of the speech of the call's rep, oldest first.
SELECT calls.call_id, calls.deal_id, reps.rep_id, reps.rep_name, calls.started_at, reps.talk_share,
  calls.longest_monologue_s, 3600 * calls.questions_by_reps / nullif(calls.duration_s, 0) AS rep_questions_per_hour,
  3600 * (calls.questions - calls.questions_by_reps) / nullif(calls.duration_s, 0) AS prospect_questions_per_hour,
  people.prospects
FROM copilot.rep_calls AS reps JOIN copilot.calls AS calls USING (call_id)
LEFT JOIN (
  SELECT call_id, count(*) FILTER (WHERE side = 'prospect' AND joined IS NOT FALSE) AS prospects
  FROM copilot.participants GROUP BY call_id
) AS people USING (call_id)
WHERE reps.is_call_rep AND calls.deal_id IS NOT NULL
ORDER BY calls.started_at, calls.call_id;
