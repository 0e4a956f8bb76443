-- name: forecast_totals
-- The expected amount of open deals by currency, and that of the newest forecast that was made some days earlier,
-- else of the one that would have been made then.
WITH now AS (
  SELECT currency, max(made_on) AS made_on, count(*)::int AS deals, sum(amount * win_probability) AS expected
  FROM copilot.deal_forecast
  WHERE amount * win_probability IS NOT NULL
  GROUP BY currency
), earlier AS (
  SELECT source, made_on FROM copilot.forecast_track_record
  WHERE source IN ('live', 'reconstructed')
    AND made_on <= (SELECT max(made_on) FROM copilot.deal_forecast) - %(days)s::int
  ORDER BY source, made_on DESC LIMIT 1
), before AS (
  SELECT currency, sum(amount * win_probability) AS expected
  FROM copilot.forecast_track_record AS record JOIN earlier USING (source, made_on)
  WHERE amount * win_probability IS NOT NULL
  GROUP BY currency
)
SELECT now.currency, now.made_on, now.deals, now.expected, earlier.made_on AS before_on,
  CASE WHEN earlier.made_on IS NOT NULL THEN coalesce(before.expected, 0) END AS before,
  coalesce(earlier.source = 'reconstructed', false) AS before_is_reconstructed
FROM now LEFT JOIN earlier ON true LEFT JOIN before ON before.currency IS NOT DISTINCT FROM now.currency
ORDER BY now.expected DESC, now.currency;

-- name: forecast_moves
-- The deals that moved the forecast most since that of some days earlier, by currency.
WITH earlier AS (
  SELECT source, made_on FROM copilot.forecast_track_record
  WHERE source IN ('live', 'reconstructed')
    AND made_on <= (SELECT max(made_on) FROM copilot.deal_forecast) - %(days)s::int
  ORDER BY source, made_on DESC LIMIT 1
), before AS (
  SELECT record.* FROM copilot.forecast_track_record AS record JOIN earlier USING (source, made_on)
  WHERE amount * win_probability IS NOT NULL
), now AS (
  SELECT * FROM copilot.deal_forecast WHERE amount * win_probability IS NOT NULL
), moves AS (
  SELECT coalesce(now.deal_name, deals.name, deal_id) AS name, coalesce(now.account_name, deals.account_name) AS account,
    CASE WHEN now.deal_id IS NULL THEN before.currency ELSE now.currency END AS currency,
    coalesce(now.amount * now.win_probability, 0) AS expected,
    coalesce(before.amount * before.win_probability, 0) AS before,
    CASE
      WHEN before.deal_id IS NULL THEN 'new'
      WHEN now.deal_id IS NULL THEN CASE WHEN deals.outcome IN ('won', 'lost') THEN deals.outcome ELSE 'removed' END
      WHEN now.amount <> before.amount THEN 'amount'
      WHEN now.stage <> before.stage THEN 'stage'
      ELSE 'probability'
    END AS cause,
    now.stage, before.stage AS stage_before, now.win_probability AS probability,
    before.win_probability AS probability_before, now.reasons[1] AS reason, now.last_call_url AS review_url, deal_id
  FROM now FULL JOIN before USING (deal_id) LEFT JOIN copilot.deals AS deals USING (deal_id)
  WHERE (SELECT made_on FROM earlier) IS NOT NULL
), ranked AS (
  SELECT *, row_number() OVER (PARTITION BY currency ORDER BY abs(expected - before) DESC, deal_id) AS number
  FROM moves WHERE abs(expected - before) >= 0.5
)
SELECT name, account, currency, expected, before, cause, stage, stage_before, probability, probability_before, reason,
  review_url
FROM ranked WHERE number <= %(limit)s ORDER BY currency, number;

-- name: pipeline_of_week
-- The open pipeline at the beginning and the end of a week, by currency.
SELECT nullif(currency, 'unknown') AS currency, coalesce(sum(amount) FILTER (WHERE step = 'opening'), 0) AS opening,
  coalesce(sum(amount) FILTER (WHERE step = 'closing'), 0) AS closing
FROM copilot.pipeline_waterfall
WHERE week = %(week)s
GROUP BY currency
HAVING count(*) FILTER (WHERE step IN ('opening', 'closing') AND amount <> 0) > 0
ORDER BY 3 DESC, 1;

-- name: pipeline_changes
-- The largest changes of the pipeline in a week, as sentences.
SELECT coalesce(deal_name, deal_id) AS name, account_name AS account, sentence, change,
  nullif(currency, 'unknown') AS currency
FROM copilot.pipeline_changes
WHERE week = %(week)s
ORDER BY abs(change) DESC, amount DESC NULLS LAST, deal_id, kind
LIMIT %(limit)s;

-- name: activity
-- What happened on the calls of some weeks, by rep, and by the team of the rep's newest call.
WITH own AS (
  SELECT own.call_id, own.call_date, own.rep_id, own.talk_share, own.is_call_rep,
    last_value(own.rep_name) OVER newest AS rep_name, last_value(own.manager_id) OVER newest AS manager_id,
    CASE WHEN own.is_call_rep THEN calls.longest_monologue_s END AS monologue,
    CASE WHEN own.is_call_rep THEN calls.questions_by_reps END AS questions,
    own.is_call_rep AND jsonb_typeof(calls.competitor_sentiments) = 'array'
      AND calls.competitor_sentiments <> '[]' AS with_competitor,
    own.is_call_rep AND jsonb_typeof(calls.action_items) = 'array' AND calls.action_items <> '[]' AS with_next_steps
  FROM copilot.rep_calls AS own JOIN copilot.calls AS calls USING (call_id)
  WHERE own.week BETWEEN %(first_week)s AND %(week)s
  WINDOW newest AS (PARTITION BY own.rep_id ORDER BY own.started_at, own.call_id
    ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
), counted AS (
  SELECT manager_id, rep_id, max(rep_name) AS rep_name, grouping(rep_id) = 1 AS is_total, count(*)::int AS calls,
    avg(talk_share) AS talk_share, count(talk_share)::int AS talk_n, (count(*) FILTER (WHERE is_call_rep))::int AS led,
    avg(monologue) AS longest_monologue_s, count(monologue)::int AS monologue_n, avg(questions)::float8 AS questions,
    count(questions)::int AS questions_n, (count(*) FILTER (WHERE with_competitor))::int AS with_competitor,
    (count(*) FILTER (WHERE with_next_steps))::int AS with_next_steps
  FROM own GROUP BY GROUPING SETS ((manager_id, rep_id), (manager_id))
), topics AS (
  SELECT manager_id, rep_id, grouping(rep_id) = 1 AS is_total, topic, count(DISTINCT own.call_id)::int AS calls
  FROM own JOIN copilot.topic_mentions AS mentions
    ON mentions.call_id = own.call_id AND mentions.call_date = own.call_date
  WHERE is_call_rep GROUP BY GROUPING SETS ((manager_id, rep_id, topic), (manager_id, topic))
), most_frequent AS (
  SELECT manager_id, rep_id, is_total,
    jsonb_agg(jsonb_build_object('topic', topic, 'calls', calls) ORDER BY calls DESC, topic) AS topics
  FROM (
    SELECT *, row_number() OVER (PARTITION BY manager_id, rep_id, is_total ORDER BY calls DESC, topic) AS place
    FROM topics
  ) AS ranked
  WHERE place <= %(topics)s
  GROUP BY manager_id, rep_id, is_total
)
SELECT counted.manager_id, managers.email AS manager_email, counted.is_total,
  CASE
    WHEN counted.is_total THEN coalesce(managers.name, counted.manager_id, 'without a manager')
    ELSE coalesce(rep_name, counted.rep_id) || CASE WHEN EXISTS (
      SELECT FROM counted AS other
      WHERE other.rep_name = counted.rep_name AND other.rep_id <> counted.rep_id AND NOT other.is_total
    ) THEN ' (' || counted.rep_id || ')' ELSE '' END
  END AS name, calls, talk_share, talk_n, led, longest_monologue_s, monologue_n, questions, questions_n, with_competitor,
  with_next_steps, counted.rep_id, coalesce(most_frequent.topics, '[]') AS topics
FROM counted LEFT JOIN copilot.users AS managers ON managers.user_id = counted.manager_id
  LEFT JOIN most_frequent ON most_frequent.manager_id IS NOT DISTINCT FROM counted.manager_id
    AND most_frequent.rep_id IS NOT DISTINCT FROM counted.rep_id AND most_frequent.is_total = counted.is_total
ORDER BY max(calls) FILTER (WHERE counted.is_total) OVER (PARTITION BY counted.manager_id) DESC, counted.manager_id,
  counted.is_total DESC, rep_name, counted.rep_id;

-- name: has_bricks
-- Whether the database has the table of brick labels.
SELECT to_regclass('copilot.bricks') IS NOT NULL AS has_bricks;

-- name: labels
-- The label of each brick; if kits label a code differently, that of the first kit.
SELECT DISTINCT ON (brick) brick, label FROM copilot.bricks WHERE label IS NOT NULL ORDER BY brick, kit;
