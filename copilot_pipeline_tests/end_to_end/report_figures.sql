-- name: views
-- What the figures are counted from: calls that were held, elements of MEDDICC, and own people who spoke.
CREATE TEMP VIEW held AS
SELECT calls.*, date_trunc('week', call_date)::date AS week, users.name AS rep, managers.name AS team
FROM copilot.calls AS calls LEFT JOIN copilot.users AS users ON users.user_id = calls.rep_user_id
  LEFT JOIN copilot.users AS managers ON managers.user_id = users.manager_id
WHERE removed_at IS NULL AND status IN ('ready', 'pending') AND started_at <= now();
CREATE TEMP VIEW elements AS
SELECT held.*, brick AS element, coalesce(value_num >= 50, false) AS is_covered
FROM held JOIN copilot.semarize_scores USING (call_id) WHERE kit = 'meddicc';
CREATE TEMP VIEW spoke AS
SELECT held.call_id, held.call_date, held.week, held.started_at, users.user_id, users.name, managers.name AS team,
  least(sum(people.talk_share), 1) AS share, held.rep_user_id = users.user_id AS leads, held.rep_talk_share,
  held.longest_monologue_s, held.questions_by_reps, held.competitor_sentiments, held.action_items
FROM held JOIN copilot.participants AS people ON people.call_id = held.call_id
  JOIN copilot.users AS users ON users.user_id = people.user_id
  LEFT JOIN copilot.users AS managers ON managers.user_id = users.manager_id
WHERE people.side = 'rep' AND people.utterances > 0
GROUP BY held.call_id, held.call_date, held.week, held.started_at, users.user_id, users.name, managers.name, leads,
  held.rep_talk_share, held.longest_monologue_s, held.questions_by_reps, held.competitor_sentiments, held.action_items;
CREATE TEMP VIEW flagged AS
SELECT held.*, brick, value_bool, reason, evidence FROM held JOIN copilot.semarize_scores USING (call_id)
WHERE kit = 'claims' AND brick LIKE '%%_present';
CREATE TEMP VIEW newest_answers AS
SELECT DISTINCT ON (deal_id, kit, brick) deal_id, kit, brick, value_bool, held.call_id
FROM held JOIN copilot.semarize_scores AS scores USING (call_id)
WHERE value_kind <> 'null'
ORDER BY deal_id, kit, brick, started_at DESC, call_id DESC;
CREATE TEMP VIEW open_deals AS
SELECT deals.*, date_trunc('hour', (SELECT built_at FROM copilot.marts_as_of WHERE mart = 'deal_inspection')) AS as_of,
  (SELECT max(started_at) FROM held WHERE held.deal_id = deals.deal_id) AS spoke_last,
  (SELECT count(DISTINCT coalesce(people.name, people.email)) FROM held JOIN copilot.participants AS people
    USING (call_id) WHERE held.deal_id = deals.deal_id AND people.side = 'prospect' AND joined IS NOT FALSE) AS prospects,
  EXISTS (SELECT FROM newest_answers WHERE newest_answers.deal_id = deals.deal_id AND brick = 'risk_flag'
    AND value_bool) AS is_flagged
FROM copilot.deals AS deals WHERE outcome = 'open';
CREATE TEMP VIEW risky_deals AS
SELECT * FROM open_deals
WHERE is_flagged OR close_date < as_of OR spoke_last IS NULL OR as_of - spoke_last >= interval '14 days' OR prospects < 2;

-- name: calls
-- Calls by week, the newest week first.
SELECT week::date, count(call_id) AS calls, count(*) FILTER (WHERE has_transcript) AS transcripts,
  count(*) FILTER (WHERE call_id IN (SELECT call_id FROM copilot.semarize_runs WHERE status = 'succeeded')) AS scored,
  count(*) FILTER (WHERE has_crm_link) AS linked
FROM generate_series(
    greatest(%(first)s::date, (SELECT date_trunc('week', min(call_date)) FROM copilot.calls)), %(week)s::date, '7 days'
  ) AS week LEFT JOIN copilot.calls ON date_trunc('week', call_date) = week
GROUP BY week ORDER BY week DESC;

-- name: coverage_by_week
-- Covered elements by week.
SELECT week, element, count(*) FILTER (WHERE is_covered) AS covered, count(*) AS n
FROM elements WHERE week BETWEEN %(first)s AND %(week)s GROUP BY week, element ORDER BY week, element;

-- name: coverage_by_rep
-- Covered elements by rep, and by team with NULL as the rep.
SELECT team, rep, element, count(*) FILTER (WHERE is_covered) AS covered, count(*) AS n
FROM elements WHERE week BETWEEN %(first)s AND %(week)s AND rep_user_id IS NOT NULL
GROUP BY GROUPING SETS ((team, rep, element), (team, element));

-- name: accuracy
-- Checked calls by week, those without a claim, and the claims.
SELECT week, count(*) AS n, count(*) FILTER (WHERE claims = 0) AS accurate, sum(claims)::int AS claims
FROM (
  SELECT week, call_id, coalesce(sum(cardinality(evidence)) FILTER (WHERE value_bool), 0) AS claims
  FROM flagged WHERE week BETWEEN %(first)s AND %(week)s AND value_bool IS NOT NULL GROUP BY week, call_id
) AS by_call
GROUP BY week ORDER BY week;

-- name: talk_shares
-- Each rep's own talk share, the reps with the most calls first.
SELECT name, count(*) AS n, avg(share) AS mean, stddev_samp(share) AS deviation, avg(rep_talk_share) AS all_own
FROM spoke WHERE week BETWEEN %(first)s AND %(week)s AND share IS NOT NULL
GROUP BY user_id, name ORDER BY n DESC, user_id LIMIT 20;

-- name: activity
-- Figures of calls by rep, and by team with NULL as the rep.
SELECT team, name, count(*) AS calls, avg(share) AS share, count(share) AS share_n, count(*) FILTER (WHERE leads) AS led,
  avg(longest_monologue_s) FILTER (WHERE leads) AS monologue, avg(questions_by_reps) FILTER (WHERE leads) AS questions,
  count(*) FILTER (WHERE leads AND jsonb_array_length(competitor_sentiments) > 0) AS competitor,
  count(*) FILTER (WHERE leads AND jsonb_array_length(action_items) > 0) AS next_steps
FROM spoke WHERE week BETWEEN %(first)s AND %(week)s
GROUP BY GROUPING SETS ((team, name), (team));

-- name: topics
-- Calls of the call's rep on which a topic came up, by rep, and by team with NULL as the rep; the most frequent first.
SELECT team, name, topic, count(DISTINCT call_id) AS calls
FROM spoke JOIN copilot.topic_mentions USING (call_id)
WHERE week BETWEEN %(first)s AND %(week)s AND leads
GROUP BY GROUPING SETS ((team, name, topic), (team, topic)) ORDER BY calls DESC, topic;

-- name: outcomes
-- Closed deals with a scored call before their close, by element: whether one of the calls covered it.
SELECT element, deals.deal_id, coalesce(deals.account_name, deals.deal_id) AS account, outcome,
  NOT bool_or(is_covered) AS is_uncovered, count(*) AS calls, coalesce(closing.at, deals.close_date) AS closed_at,
  deals.created_at, reps.rep_id, (
    SELECT field ->> 'value' FROM copilot.accounts AS accounts, jsonb_array_elements(accounts.custom_fields) AS field
    WHERE accounts.account_id = deals.account_id AND field ->> 'key' = 'Segment'
  ) AS segment
FROM elements JOIN copilot.deals AS deals USING (deal_id) CROSS JOIN LATERAL (
    SELECT max((change ->> 'date_changed')::timestamptz) AS at FROM jsonb_array_elements(stage_history) AS change
  ) AS closing JOIN (
    SELECT deal_id, mode() WITHIN GROUP (ORDER BY rep_user_id) AS rep_id FROM elements GROUP BY deal_id
  ) AS reps USING (deal_id)
WHERE outcome IN ('won', 'lost')
  AND CASE WHEN closing.at IS NULL THEN started_at::date <= deals.close_date::date ELSE started_at <= closing.at END
GROUP BY element, deals.deal_id, account, outcome, closing.at, deals.close_date, deals.created_at, deals.account_id,
  reps.rep_id;

-- name: scores
-- The scores of the coaching kit up to the end of the week, in call order.
SELECT rep, brick AS skill, started_at, value_num AS score
FROM held JOIN copilot.semarize_scores USING (call_id)
WHERE kit = 'coaching' AND value_kind = 'num' AND rep IS NOT NULL AND held.call_date <= %(week)s::date + 6
ORDER BY started_at, call_id;

-- name: open_deals
-- Open deals, those at risk, and their amounts in the only currency.
SELECT (SELECT count(*) FROM open_deals) AS deals, (SELECT sum(amount) FROM open_deals) AS pipeline,
  (SELECT count(*) FROM risky_deals) AS risky, (SELECT sum(amount) FROM risky_deals) AS at_risk;

-- name: risk_sentences
-- Of each deal at risk because of a call: what was said and by whom.
SELECT risky.name, risky.amount, risky.close_date::date, quote, speaker, start_s
FROM risky_deals AS risky JOIN newest_answers AS answers ON answers.deal_id = risky.deal_id AND brick = 'risk_flag'
  JOIN copilot.evidence AS evidence ON evidence.call_id = answers.call_id AND evidence.brick = 'risk_flag'
    AND evidence.position = 0
WHERE value_bool ORDER BY risky.amount DESC NULLS LAST;

-- name: forecast
-- The forecast by close month from the present month on.
SELECT to_char(close_date, 'YYYY-MM') AS month, count(*) AS deals, sum(amount) AS pipeline,
  sum(amount * win_probability) AS forecast
FROM copilot.deal_forecast AS forecast
WHERE to_char(close_date, 'YYYY-MM') >= (SELECT to_char(max(made_on), 'YYYY-MM') FROM copilot.deal_forecast)
GROUP BY 1 ORDER BY 1 LIMIT 6;

-- name: expected
-- The sum of the forecast.
SELECT sum(amount * win_probability) AS expected, count(amount * win_probability) AS deals FROM copilot.deal_forecast;

-- name: waterfall
-- The open pipeline at the two ends of the week, from the stages that the deals had.
SELECT sum(amount) FILTER (WHERE step = 'opening') AS opening, sum(amount) FILTER (WHERE step = 'closing') AS closing
FROM copilot.pipeline_waterfall WHERE week = %(week)s;

-- name: drivers
-- Conditions of the newer deals.
SELECT condition, sentence, confirmed_won AS won, confirmed_support AS support, confirmed_expected AS expected
FROM copilot.win_loss_drivers WHERE is_confirmed ORDER BY rank;

-- name: forecasts
-- Forecasts of the model whose deals have closed since.
SELECT source, made_on, deal_id, model_probability AS model, stage_win_rate AS stage, base_rate AS base,
  (outcome = 'won')::int AS won
FROM copilot.forecast_track_record
WHERE closed_on >= made_on AND model_probability IS NOT NULL
ORDER BY source DESC, model_probability;
