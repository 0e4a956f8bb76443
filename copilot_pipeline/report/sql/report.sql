-- name: call_date_range
-- The oldest day with calls, and the newest one before a day.
SELECT min(call_date) AS oldest, max(call_date) FILTER (WHERE call_date < %(before)s) AS newest
FROM copilot.calls;

-- name: volume
-- Calls by week from the first call on, with zeros for weeks without calls.
SELECT week::date AS week, count(calls.call_id)::int AS calls,
  (count(*) FILTER (WHERE has_transcript))::int AS with_transcript,
  (count(*) FILTER (WHERE EXISTS (
    SELECT FROM copilot.semarize_runs AS runs WHERE runs.call_id = calls.call_id AND runs.status = 'succeeded'
  )))::int AS scored,
  (count(*) FILTER (WHERE has_crm_link))::int AS linked
FROM generate_series(
    greatest(%(first_week)s::date, (SELECT date_trunc('week', min(call_date)) FROM copilot.calls)),
    %(week)s::date, interval '7 days'
  ) AS week
  LEFT JOIN copilot.calls AS calls ON calls.call_date >= week AND calls.call_date < week + interval '7 days'
GROUP BY 1
ORDER BY 1;

-- name: coverage_by_week
-- Calls that cover each MEDDICC element, by week.
SELECT grain_id AS "group", element, n::int, covered::int
FROM copilot.meddicc_summary
WHERE grain = 'week' AND n > 0 AND grain_id::date BETWEEN %(first_week)s AND %(week)s
ORDER BY grain_id, element;

-- name: coverage_by_rep
-- Calls that cover each MEDDICC element, over all weeks, for the reps with the most calls; namesakes with their id.
SELECT coalesce(grain_name, grain_id) || CASE WHEN EXISTS (
    SELECT FROM copilot.meddicc_summary AS other
    WHERE other.grain = 'rep' AND other.grain_name = summary.grain_name AND other.grain_id <> summary.grain_id
  ) THEN ' (' || grain_id || ')' ELSE '' END AS "group", element, n::int, covered::int
FROM copilot.meddicc_summary AS summary JOIN (
    SELECT grain_id FROM copilot.meddicc_summary WHERE grain = 'rep' GROUP BY 1 ORDER BY max(n) DESC, 1 LIMIT %(limit)s
  ) AS most_calls USING (grain_id)
WHERE grain = 'rep' AND n > 0
ORDER BY n DESC, grain_id, element;

-- name: low_coverage_calls
-- Calls of a week that cover the fewest elements, without calls that belong to no deal.
SELECT calls.title, calls.started_at, min(coverage.rep_name) AS rep, count(*)::int AS n,
  (count(*) FILTER (WHERE coverage.is_covered))::int AS covered,
  coalesce(array_agg(coverage.element) FILTER (WHERE NOT coverage.is_covered), '{}') AS missing,
  calls.review_url
FROM copilot.meddicc_coverage AS coverage JOIN copilot.calls AS calls USING (call_id)
WHERE coverage.week = %(week)s AND calls.deal_id IS NOT NULL
GROUP BY calls.call_id
HAVING NOT bool_and(coverage.is_covered)
ORDER BY avg(coverage.is_covered::int), calls.started_at DESC, calls.call_id
LIMIT %(limit)s;

-- name: unscored_calls
-- Calls of a week without scores of any kit, newest first, with the reason and their total number.
SELECT title, started_at, review_url, (count(*) OVER ())::int AS total,
  coalesce(
    (SELECT string_agg(DISTINCT why, '; ') FROM copilot.calls_without_scores AS one WHERE one.call_id = calls.call_id),
    'not scored yet'
  ) AS why
FROM copilot.calls
WHERE call_date >= %(week)s AND call_date < %(week)s + 7 AND NOT EXISTS (
  SELECT FROM copilot.semarize_runs AS runs WHERE runs.call_id = calls.call_id AND status = 'succeeded'
)
ORDER BY started_at DESC, call_id
LIMIT %(limit)s;

-- name: element_outcomes
-- Won and lost deals in which no call covered an element, the least covered element first.
SELECT element, outcome, n::int, uncovered::int, share_low AS low, share_high AS high, p_value
FROM copilot.meddicc_outcomes
WHERE outcome IN ('won', 'lost')
ORDER BY max(share) FILTER (WHERE outcome = 'lost') OVER (PARTITION BY element) DESC NULLS LAST, element, outcome;

-- name: skill_series
-- The newest scores of each rep and skill in call order: regressions first, then the longest series.
WITH ranked AS (
  SELECT rep_id, skill, bool_or(regression_detected AND newest = 1) AS in_regression, max(call_number) AS calls
  FROM (
    SELECT rep_id, skill, call_number, regression_detected,
      row_number() OVER (PARTITION BY rep_id, skill ORDER BY call_number DESC) AS newest
    FROM copilot.coaching_scores
  ) AS numbered
  GROUP BY rep_id, skill
  ORDER BY 3 DESC, 4 DESC, 1, 2
  LIMIT %(max_series)s
)
SELECT rep_id, coalesce(rep_name, rep_id) || CASE WHEN EXISTS (
    SELECT FROM copilot.coaching_scores AS other
    WHERE other.rep_name = scores.rep_name AND other.rep_id <> scores.rep_id
  ) THEN ' (' || rep_id || ')' ELSE '' END AS rep, skill, threshold, in_regression, call_number, started_at, score,
  is_below, rolling_mean, review_url
FROM copilot.coaching_scores AS scores JOIN ranked USING (rep_id, skill)
WHERE call_number > calls - %(max_points)s
ORDER BY in_regression DESC, calls DESC, rep_id, skill, call_number;

-- name: regressions
-- Skill regressions that are not over, and those that recovered since a week began.
SELECT coalesce(regressions.rep_name, rep_id) || CASE WHEN EXISTS (
    SELECT FROM copilot.coaching_scores AS other
    WHERE other.rep_name = regressions.rep_name AND other.rep_id <> regressions.rep_id
  ) THEN ' (' || rep_id || ')' ELSE '' END AS rep, skill, coalesce(manager_name, manager_id) AS manager,
  regressions.calls::int, latest, lowest, threshold, mean, earlier_mean, earlier_calls::int, run_chance, first_call_at, detected_at, recovered_at,
  calls_since_training::int, first.review_url
FROM copilot.coaching_regressions AS regressions
  LEFT JOIN copilot.calls AS first ON first.call_id = regressions.first_call_id
WHERE NOT is_over OR recovered_at >= %(week)s
ORDER BY is_over, detected_at DESC, rep_id, skill;

-- name: claims
-- Flagged claims up to the end of a week, newest first.
SELECT week, started_at, rep_name AS rep, kind, quote, match, start_s, speaker, document, product, reason, review_url
FROM copilot.claims
WHERE week BETWEEN %(first_week)s AND %(week)s
ORDER BY started_at DESC, claim_id
LIMIT %(limit)s;

-- name: accuracy
-- Checked calls without a flagged claim, by week.
SELECT grain_id::date AS week, n::int, accurate::int, claims::int, share, share_low AS low, share_high AS high
FROM copilot.claim_accuracy
WHERE grain = 'week' AND n > 0 AND grain_id::date BETWEEN %(first_week)s AND %(week)s
ORDER BY 1;

-- name: adoption
-- Changes of messaging over all reps, newest first.
SELECT message, changed_on, n::int, calls_using::int, lag_days, still_old::int
FROM copilot.message_adoption
WHERE rep_id = 'all'
ORDER BY changed_on DESC, message;

-- name: drivers
-- Win/loss drivers: significant ones first, then by the effect at the conservative end of the interval.
SELECT condition, sentence, support::int, won::int, win_rate, win_rate_low AS low, win_rate_high AS high, base_rate,
  q_value, is_significant, direction
FROM copilot.win_loss_drivers
ORDER BY is_significant DESC,
  CASE direction
    WHEN 'wins' THEN win_rate_low / nullif(base_rate, 0)
    ELSE (1 - win_rate_high) / nullif(1 - base_rate, 0)
  END DESC NULLS LAST, condition
LIMIT %(limit)s;

-- name: conclusion
-- The conclusion of the win/loss analysis in one sentence.
SELECT conclusion FROM copilot.win_loss_conclusion;

-- name: open_deal_counts
-- Open deals, those with risks, and those without an amount or a rate to convert it.
SELECT count(*)::int AS deals, (count(*) FILTER (WHERE risks > 0))::int AS with_risks,
  (count(*) FILTER (WHERE amount IS NULL))::int AS without_amount,
  (count(*) FILTER (WHERE amount IS NOT NULL AND amount_converted IS NULL))::int AS not_converted,
  sum(amount_converted) AS converted, max(converted_currency) AS converted_currency
FROM copilot.deal_inspection;

-- name: pipeline_by_currency
-- The sum of the amounts of open deals, by currency.
SELECT currency, sum(amount) AS amount
FROM copilot.deal_inspection
WHERE amount IS NOT NULL
GROUP BY currency
ORDER BY sum(amount) DESC, currency;

-- name: risky_deals
-- Open deals with the most risks.
SELECT coalesce(deal_name, deal_id) AS name, account_name AS account, stage, amount, currency, days_since_last_call,
  prospects::int, owner_name AS owner, coalesce(risk_flags, '{}') AS risks, coalesce(stage_lacks, '{}') AS missing,
  meddicc_covered AS covered, last_call_url AS review_url
FROM copilot.deal_inspection
WHERE deal_inspection.risks > 0
ORDER BY deal_inspection.risks DESC, coalesce(amount_converted, amount) DESC NULLS LAST, deal_id
LIMIT %(limit)s;

-- name: as_of
-- When the oldest mart was built, and the age of the deals that marts were built from.
SELECT min(built_at) AS marts_as_of, min(deals_as_of) AS deals_as_of FROM copilot.marts_as_of;
