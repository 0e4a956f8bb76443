-- name: call_date_range
-- The oldest day with calls, and the newest one before a day.
SELECT min(call_date) AS oldest, max(call_date) FILTER (WHERE call_date < %(before)s) AS newest
FROM copilot.calls;

-- name: volume
-- Calls by week from the first call on, with zeros for weeks without calls. Calls begin and end within the loaded days.
WITH loaded AS (
  SELECT min(first) AS first, max(last) AS last
  FROM (
    SELECT min(call_date) AS first, max(call_date) AS last FROM copilot.calls
    UNION ALL
    SELECT min(call_date), max(call_date) FROM copilot_ops.partitions WHERE loaded_at IS NOT NULL
  ) AS of_days
)
SELECT week::date AS week, count(calls.call_id)::int AS calls,
  (count(*) FILTER (WHERE has_transcript))::int AS with_transcript,
  (count(*) FILTER (WHERE EXISTS (
    SELECT FROM copilot.semarize_runs AS runs WHERE runs.call_id = calls.call_id AND runs.status = 'succeeded'
  )))::int AS scored,
  (count(*) FILTER (WHERE has_crm_link))::int AS linked,
  loaded.first <= week AND loaded.last >= week + interval '4 days' AND %(today)s >= week + interval '7 days'
    AS is_complete
FROM loaded CROSS JOIN generate_series(
    greatest(%(first_week)s::date, (SELECT date_trunc('week', min(call_date)) FROM copilot.calls)),
    %(week)s::date, interval '7 days'
  ) AS week
  LEFT JOIN copilot.calls AS calls ON calls.call_date >= week AND calls.call_date < week + interval '7 days'
GROUP BY week, loaded.first, loaded.last
ORDER BY 1;

-- name: coverage_by_week
-- Calls that cover each MEDDICC element, by week.
SELECT grain_id AS "group", element, n::int, covered::int
FROM copilot.meddicc_summary
WHERE grain = 'week' AND n > 0 AND grain_id::date BETWEEN %(first_week)s AND %(week)s
ORDER BY grain_id, element;

-- name: coverage_by_rep
-- Calls of some weeks that cover each MEDDICC element, by rep, with the team of the newest call; namesakes with their id.
WITH counts AS (
  SELECT rep_id, max(rep_name) AS rep_name, element, count(*)::int AS n,
    (count(*) FILTER (WHERE is_covered))::int AS covered,
    (array_agg(manager_id ORDER BY started_at DESC, call_id DESC))[1] AS manager_id
  FROM copilot.meddicc_coverage
  WHERE rep_id IS NOT NULL AND (%(reps)s::text[] IS NULL OR rep_id = ANY (%(reps)s)) AND week BETWEEN %(first_week)s AND %(week)s
  GROUP BY rep_id, element
)
SELECT coalesce(rep_name, rep_id) || CASE WHEN EXISTS (
    SELECT FROM counts AS other WHERE other.rep_name = counts.rep_name AND other.rep_id <> counts.rep_id
  ) THEN ' (' || rep_id || ')' ELSE '' END AS "group", element, n, covered,
  coalesce(managers.name, counts.manager_id) AS team
FROM counts LEFT JOIN copilot.users AS managers ON managers.user_id = counts.manager_id
ORDER BY n DESC, rep_id, element;

-- name: talk_shares
-- Each rep's own share of the speech on calls of some weeks, for the reps with the most calls; namesakes with their id.
WITH shares AS (
  SELECT rep_id, max(own.rep_name) AS rep_name, count(*)::int AS n, avg(talk_share) AS mean,
    stddev_samp(talk_share) AS deviation, avg(calls.rep_talk_share) AS all_own_speakers
  FROM copilot.rep_calls AS own JOIN copilot.calls AS calls USING (call_id)
  WHERE talk_share IS NOT NULL AND (%(reps)s::text[] IS NULL OR rep_id = ANY (%(reps)s)) AND week BETWEEN %(first_week)s AND %(week)s
  GROUP BY rep_id
)
SELECT coalesce(rep_name, rep_id) || CASE WHEN EXISTS (
    SELECT FROM shares AS other WHERE other.rep_name = shares.rep_name AND other.rep_id <> shares.rep_id
  ) THEN ' (' || rep_id || ')' ELSE '' END AS rep, n, mean, deviation, all_own_speakers
FROM shares
ORDER BY n DESC, rep_id
LIMIT %(limit)s;

-- name: low_coverage_calls
-- Calls of a week that cover the fewest elements, without calls that belong to no deal.
SELECT calls.title, calls.started_at, min(coverage.rep_name) AS rep, count(*)::int AS n,
  (count(*) FILTER (WHERE coverage.is_covered))::int AS covered,
  coalesce(array_agg(coverage.element) FILTER (WHERE NOT coverage.is_covered), '{}') AS missing,
  calls.review_url, calls.account_name AS account, calls.deal_name AS deal
FROM copilot.meddicc_coverage AS coverage JOIN copilot.calls AS calls USING (call_id)
WHERE coverage.week = %(week)s AND calls.deal_id IS NOT NULL
  AND (%(reps)s::text[] IS NULL OR coverage.rep_id = ANY (%(reps)s))
GROUP BY calls.call_id
HAVING NOT bool_and(coverage.is_covered)
ORDER BY avg(coverage.is_covered::int), calls.started_at DESC, calls.call_id
LIMIT %(limit)s;

-- name: unscored_calls
-- Calls of a week without scores of any kit, newest first, with the reason and their total number.
SELECT title, started_at, review_url, account_name AS account, deal_name AS deal, (count(*) OVER ())::int AS total,
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
SELECT element, outcome, n::int, uncovered::int, share_low AS low, share_high AS high, mean_calls, p_value,
  adjusted_difference, adjusted_low, adjusted_high, adjusted_n::int
FROM copilot.meddicc_outcomes
WHERE outcome IN ('won', 'lost')
ORDER BY max(share) FILTER (WHERE outcome = 'lost') OVER (PARTITION BY element) DESC NULLS LAST, element, outcome;

-- name: skill_series
-- The scores of each rep and skill up to a day (NULL: all) in call order: regressions first, then the longest series.
WITH newest AS (
  SELECT DISTINCT ON (rep_id, skill) rep_id, skill, rep_name, regression_detected AS in_regression, call_number AS calls
  FROM copilot.coaching_scores
  WHERE %(last_day)s::date IS NULL OR call_date <= %(last_day)s
  ORDER BY rep_id, skill, call_number DESC
), ranked AS MATERIALIZED (
  SELECT rep_id, skill, in_regression, calls,
    EXISTS (
      SELECT FROM newest AS other WHERE other.rep_name = newest.rep_name AND other.rep_id <> newest.rep_id
    ) AS has_namesake
  FROM newest
  WHERE %(reps)s::text[] IS NULL OR rep_id = ANY (%(reps)s)
  ORDER BY in_regression DESC, calls DESC, rep_id, skill
  LIMIT %(max_series)s
)
SELECT rep_id, coalesce(rep_name, rep_id) || CASE WHEN has_namesake THEN ' (' || rep_id || ')' ELSE '' END AS rep, skill,
  threshold, in_regression, call_number, started_at, score, is_below, rolling_mean, review_url
FROM ranked JOIN copilot.coaching_scores AS scores USING (rep_id, skill)
WHERE call_number > calls - %(max_points)s AND call_number <= calls
ORDER BY in_regression DESC, calls DESC, rep_id, skill, call_number;

-- name: regressions
-- Skill regressions that were detected by the end of a week, as they were then, without those that ended before it.
WITH names AS (
  SELECT DISTINCT rep_id, rep_name FROM copilot.coaching_scores
), dated AS (
  SELECT regressions.*, detected.call_date AS detected_on,
    CASE WHEN recovery.call_date <= %(week)s::date + 6 THEN regressions.recovered_at END AS recovered_by_then,
    recovery.call_date AS recovered_on
  FROM copilot.coaching_regressions AS regressions
    JOIN copilot.coaching_scores AS detected USING (rep_id, skill)
    LEFT JOIN copilot.coaching_scores AS recovery
      ON recovery.rep_id = regressions.rep_id AND recovery.skill = regressions.skill
      AND recovery.call_id = regressions.recovered_call_id
  WHERE detected.call_id = regressions.detected_call_id AND detected.call_date <= %(week)s::date + 6
)
SELECT coalesce(dated.rep_name, dated.rep_id) || CASE WHEN EXISTS (
    SELECT FROM names AS other WHERE other.rep_name = dated.rep_name AND other.rep_id <> dated.rep_id
  ) THEN ' (' || dated.rep_id || ')' ELSE '' END AS rep, dated.skill, coalesce(manager_name, dated.manager_id) AS manager,
  of_week.calls, of_week.latest, of_week.lowest, dated.threshold, of_week.mean, dated.earlier_mean,
  dated.earlier_calls::int, dated.run_chance, first_call_at, detected_on, recovered_by_then AS recovered_at,
  dated.calls_since_training::int, first.review_url, first.account_name AS account, first.deal_name AS deal
FROM dated
  CROSS JOIN LATERAL (
    SELECT count(*)::int AS calls, min(score) AS lowest, avg(score) AS mean,
      (array_agg(score ORDER BY call_number DESC))[1] AS latest
    FROM copilot.coaching_scores AS scores
    WHERE scores.rep_id = dated.rep_id AND scores.skill = dated.skill AND scores.call_date <= %(week)s::date + 6
      AND scores.started_at >= dated.first_call_at
      AND (dated.recovered_at IS NULL OR scores.started_at < dated.recovered_at)
  ) AS of_week
  LEFT JOIN copilot.calls AS first ON first.call_id = dated.first_call_id
WHERE (recovered_on IS NULL OR recovered_on >= %(week)s)
  AND (%(reps)s::text[] IS NULL OR dated.rep_id = ANY (%(reps)s))
ORDER BY recovered_by_then IS NOT NULL, detected_on DESC, dated.rep_id, dated.skill;

-- name: claims
-- Flagged claims up to the end of a week, newest first.
SELECT week, claims.started_at, claims.rep_name AS rep, kind, quote, statement, match, start_s, speaker, document,
  product, reason, claims.review_url, calls.account_name AS account, calls.deal_name AS deal
FROM copilot.claims AS claims LEFT JOIN copilot.calls AS calls USING (call_id)
WHERE week BETWEEN %(first_week)s AND %(week)s
  AND (%(reps)s::text[] IS NULL OR claims.rep_id = ANY (%(reps)s))
ORDER BY claims.started_at DESC, claim_id
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
-- Win/loss drivers that newer deals meet, best first, with the numbers of the newer deals.
SELECT condition, sentence, confirmed_support::int AS support, confirmed_won::int AS won,
  confirmed_win_rate AS win_rate, confirmed_win_rate_low AS low, confirmed_win_rate_high AS high,
  confirmed_expected / confirmed_support AS expected_rate, is_confirmed, is_significant, direction
FROM copilot.win_loss_drivers
WHERE confirmed_support > 0
ORDER BY rank
LIMIT %(limit)s;

-- name: conclusion
-- The conclusion of the win/loss analysis in one sentence.
SELECT conclusion FROM copilot.win_loss_conclusion;

-- name: deals_of_reps
-- The open deals of which one of some reps had the last call.
SELECT deals.deal_id FROM copilot.deal_inspection AS deals JOIN copilot.calls ON call_id = last_call_id
WHERE coalesce(rep_user_id, lower(rep_email)) = ANY (%(reps)s);

-- name: open_deal_counts
-- Open deals, those with risks, and those without an amount or a rate to convert it.
SELECT count(*)::int AS deals, (count(*) FILTER (WHERE risks > 0))::int AS with_risks,
  (count(*) FILTER (WHERE amount IS NULL))::int AS without_amount,
  (count(*) FILTER (WHERE amount IS NOT NULL AND amount_converted IS NULL))::int AS not_converted,
  sum(amount_converted) AS converted, max(converted_currency) AS converted_currency
FROM copilot.deal_inspection
WHERE %(deals)s::text[] IS NULL OR deal_id = ANY (%(deals)s);

-- name: pipeline_by_currency
-- The sum of the amounts of open deals, by currency.
SELECT currency, sum(amount) AS amount
FROM copilot.deal_inspection
WHERE amount IS NOT NULL AND (%(deals)s::text[] IS NULL OR deal_id = ANY (%(deals)s))
GROUP BY currency
ORDER BY sum(amount) DESC, currency;

-- name: at_risk_by_currency
-- The sum of the amounts of open deals with risks, by currency.
SELECT currency, sum(amount) AS amount
FROM copilot.deal_inspection
WHERE amount IS NOT NULL AND risks > 0 AND (%(deals)s::text[] IS NULL OR deal_id = ANY (%(deals)s))
GROUP BY currency
ORDER BY sum(amount) DESC, currency;

-- name: risky_deals
-- Open deals with risks and the sentences that raised them: those with a sentence first, then the largest amounts.
WITH configured AS (
  SELECT * FROM unnest(%(risks)s::text[], %(kits)s::text[], %(bricks)s::text[]) AS configured(risk, kit, brick)
), raised AS (
  SELECT signals.deal_id, configured.risk, signals.kit, signals.brick, signals.call_id, signals.answered_at,
    signals.reason, signals.review_url
  FROM copilot.deal_signals AS signals JOIN configured USING (kit, brick)
  UNION ALL
  SELECT deal_id, brick, kit, brick, call_id, answered_at, reason, review_url
  FROM copilot.deal_signals
  WHERE cardinality(%(risks)s::text[]) = 0 AND starts_with(brick, 'risk') AND latest_num = 1
), quoted AS (
  SELECT raised.deal_id, jsonb_agg(jsonb_build_object(
      'risk', raised.risk, 'quote', quote.said, 'reason', raised.reason, 'speaker', quote.speaker,
      'start_s', quote.start_s, 'called_on', calls.call_date, 'review_url', raised.review_url
    ) ORDER BY raised.answered_at DESC, raised.kit, raised.brick) AS quotes
  FROM raised
    JOIN copilot.calls AS calls ON calls.call_id = raised.call_id
    JOIN copilot.deal_inspection AS deal
      ON deal.deal_id = raised.deal_id AND raised.risk = ANY (deal.risk_flags)
    LEFT JOIN LATERAL (
      SELECT coalesce(said, quote) AS said, speaker, start_s
      FROM copilot.evidence AS evidence
      WHERE evidence.call_id = raised.call_id AND evidence.call_date = calls.call_date
        AND evidence.kit = raised.kit AND evidence.brick = raised.brick AND match <> 'not found'
      ORDER BY side = 'prospect' DESC NULLS LAST, position
      LIMIT 1
    ) AS quote ON true
  GROUP BY raised.deal_id
)
SELECT coalesce(deal_name, deal_id) AS name, account_name AS account, stage, amount, currency, days_since_last_call,
  prospects::int, owner_name AS owner, coalesce(risk_flags, '{}') AS risks, coalesce(stage_lacks, '{}') AS missing,
  meddicc_covered AS covered, last_call_url AS review_url, close_date::date AS close_date,
  coalesce(quotes, '[]') AS quotes
FROM copilot.deal_inspection LEFT JOIN quoted USING (deal_id)
WHERE deal_inspection.risks > 0 AND (%(deals)s::text[] IS NULL OR deal_id = ANY (%(deals)s))
ORDER BY quotes IS NOT NULL DESC, coalesce(amount_converted, amount) DESC NULLS LAST, deal_inspection.risks DESC, deal_id
LIMIT %(limit)s;

-- name: built_at
-- When each mart was built.
SELECT mart, built_at FROM copilot.marts_as_of;

-- name: as_of
-- When the oldest mart was built, and the age of the deals that marts were built from.
SELECT min(built_at) AS marts_as_of, min(deals_as_of) AS deals_as_of FROM copilot.marts_as_of;
