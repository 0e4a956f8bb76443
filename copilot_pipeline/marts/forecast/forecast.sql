-- name: number_deals
-- Number the deals, without those that the CRM has deleted.
CREATE TEMPORARY TABLE forecast_deals ON COMMIT DROP AS
SELECT (row_number() OVER (ORDER BY deal_id COLLATE "C") - 1)::integer AS deal, deal_id FROM copilot.deals
WHERE outcome <> 'deleted';

-- name: deals
-- Every deal with its recorded changes and the rep of most of its calls, in the order of the numbers.
SELECT deal_id, name, account_name, amount, currency, stage, probability, rep_id,
  forecast_category, close_date, created_at, first_call_at, stage_history::text, close_date_history::text
FROM copilot.deals JOIN forecast_deals USING (deal_id)
  LEFT JOIN (SELECT deal, mode() WITHIN GROUP (ORDER BY rep_id) AS rep_id FROM forecast_calls GROUP BY deal) AS reps
    USING (deal)
ORDER BY deal;

-- name: number_calls
-- Number the calls of deals that were held and are still in the vendor's list, by deal and time.
CREATE TEMPORARY TABLE forecast_calls ON COMMIT DROP AS
SELECT (row_number() OVER (ORDER BY deal, started_at, call_id COLLATE "C") - 1)::integer AS call, deal, call_id,
  floor(extract(epoch FROM started_at))::bigint AS at, started_at, deal_value, deal_stage_before_call,
  coalesce(rep_user_id, lower(btrim(rep_email))) AS rep_id, review_url, rep_user_id, rep_email, rep_name
FROM copilot.calls JOIN forecast_deals USING (deal_id)
WHERE removed_at IS NULL AND status IN ('ready', 'pending') AND started_at <= %(now)s;

-- name: analyze_calls
-- Let the planner see the numbers of rows.
ANALYZE forecast_calls;

-- name: calls
-- The calls with the number of people on each side, in the order of their numbers.
SELECT calls.call, deal, at, coalesce(prospects, 0) AS prospects, coalesce(own_people, 0) AS own_people, deal_value
FROM forecast_calls AS calls LEFT JOIN (
  SELECT call, count(*) FILTER (WHERE side = 'prospect' AND joined IS NOT FALSE) AS prospects,
    count(*) FILTER (WHERE side = 'rep' AND utterances > 0) AS own_people
  FROM copilot.participants JOIN forecast_calls USING (call_id) GROUP BY call
) AS people USING (call)
ORDER BY call;

-- name: prospects
-- The first call of each prospect of a deal.
SELECT deal, min(at) AS at FROM copilot.participants JOIN forecast_calls USING (call_id)
WHERE side = 'prospect' AND joined IS NOT FALSE AND coalesce(name, email) IS NOT NULL
GROUP BY deal, coalesce(name, email);

-- name: number_runs
-- The runs with results, and when each was known. A result that was received long after its call counts from when it
-- was received, unless the call was before the first result of this version of the kit: then it was scored together
-- with all older calls.
CREATE TEMPORARY TABLE forecast_runs ON COMMIT DROP AS
WITH introduced AS (
  SELECT kit, kit_version_id, floor(extract(epoch FROM min(finished_at)))::bigint AS at
  FROM copilot.semarize_runs WHERE finished_at IS NOT NULL GROUP BY kit, kit_version_id
)
SELECT (row_number() OVER (ORDER BY call, runs.kit) - 1)::integer AS run, call, deal, call_id, runs.kit,
  CASE WHEN runs.finished_at <= calls.started_at + interval '3 days' OR calls.at < introduced.at
    OR runs.finished_at IS NULL THEN calls.at
    ELSE floor(extract(epoch FROM runs.finished_at))::bigint END AS at
FROM forecast_calls AS calls JOIN copilot.semarize_runs AS runs USING (call_id)
  LEFT JOIN introduced ON introduced.kit = runs.kit
    AND introduced.kit_version_id IS NOT DISTINCT FROM runs.kit_version_id
WHERE runs.status = 'succeeded';

-- name: analyze_runs
-- Let the planner see the numbers of rows.
ANALYZE forecast_runs;

-- name: covered
-- When it was first known of each deal that a MEDDICC element is covered.
SELECT runs.deal, min(runs.at) AS at
FROM copilot.meddicc_coverage AS coverage JOIN forecast_runs AS runs USING (call_id, kit)
WHERE is_covered GROUP BY runs.deal, element;

-- name: elements
-- The number of MEDDICC elements that calls are scored for.
SELECT count(DISTINCT element) FROM copilot.meddicc_coverage;

-- name: stages_on_calls
-- The stage of a deal before each call on which it differs from the one before the deal's last call.
SELECT deal, at, stage FROM (
  SELECT deal, call, at, deal_stage_before_call AS stage,
    lag(deal_stage_before_call) OVER (PARTITION BY deal ORDER BY call) AS before
  FROM forecast_calls WHERE deal_stage_before_call IS NOT NULL
) AS known
WHERE stage IS DISTINCT FROM before ORDER BY deal, call;

-- name: versions
-- The versions of the deals that refreshes saw, by deal and time.
SELECT deal, floor(extract(epoch FROM valid_from))::bigint AS at, stage, amount, close_date
FROM copilot.deal_history JOIN forecast_deals USING (deal_id)
WHERE origin = 'refresh' ORDER BY deal, valid_from;

-- name: last_calls
-- The newest call of each of some deals.
SELECT DISTINCT ON (deal) deal, call_id, review_url, rep_user_id, rep_email, rep_name
FROM forecast_calls WHERE deal = ANY(%(deals)s) ORDER BY deal, call DESC;

-- name: call_ids
-- The ids and pages of the calls of some deals.
SELECT call, call_id, review_url FROM forecast_calls WHERE deal = ANY(%(deals)s);

-- name: signals
-- Kinds of values of each brick; of texts also the short values in lower case.
SELECT kit, brick, value_kind, CASE WHEN value_kind = 'text' THEN lower(btrim(left(value_text, 41))) END AS category,
  count(*) AS answers
FROM copilot.semarize_scores
WHERE value_kind IN ('bool', 'num', 'text', 'json') AND (value_kind <> 'text' OR length(value_text) <= 40)
GROUP BY kit, brick, value_kind, category;

-- name: number_signals
-- Number the chosen signals.
CREATE TEMPORARY TABLE forecast_signals ON COMMIT DROP AS
SELECT (number - 1)::integer AS signal, kit, brick, kind, category
FROM unnest(%(kits)s::text[], %(bricks)s::text[], %(kinds)s::text[], %(categories)s::text[])
  WITH ORDINALITY AS chosen (kit, brick, kind, category, number);

-- name: runs
-- The runs in the order of their numbers, which is that of the calls.
SELECT deal, at, call FROM forecast_runs ORDER BY run;

-- name: scores
-- The values of the signals on some runs as numbers. Each run is looked up by its key (OFFSET 0): the planner would scan
-- all scores for each part of the runs.
SELECT signal, run, CASE scores.value_kind
    WHEN 'bool' THEN scores.value_bool::integer::float8
    WHEN 'num' THEN scores.value_num
    WHEN 'json' THEN CASE jsonb_typeof(scores.value_json)
      WHEN 'array' THEN least(5, jsonb_array_length(scores.value_json)) ELSE 1 END
    ELSE (lower(btrim(left(scores.value_text, 41))) = signals.category)::integer END AS value
FROM forecast_runs AS runs CROSS JOIN LATERAL (
  SELECT kit, brick, value_kind, value_bool, value_num, value_text, value_json
  FROM copilot.semarize_scores AS stored
  WHERE stored.call_id = runs.call_id AND stored.kit = runs.kit
  OFFSET 0
) AS scores
  JOIN forecast_signals AS signals
    ON signals.kit = scores.kit AND signals.brick = scores.brick AND signals.kind = scores.value_kind
WHERE run BETWEEN %(first)s AND %(last)s
