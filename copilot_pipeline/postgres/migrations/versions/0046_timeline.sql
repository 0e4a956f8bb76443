CREATE OR REPLACE VIEW copilot.deal_timeline AS
SELECT events.deal_id, events.happened_at,
  (events.happened_at AT TIME ZONE
    coalesce((SELECT value FROM copilot_ops.key_values WHERE name = 'timezone'), 'UTC'))::date AS day,
  events.kind, events.what, events.before, events.after, events.who, events.scores, events.call_id, events.review_url
FROM (
  SELECT calls.deal_id, calls.started_at AS happened_at, 'call' AS kind, coalesce(calls.title, 'Call') AS what,
    NULL::text AS before, NULL::text AS after, people.names AS who, scored.scores, calls.call_id, calls.review_url
  FROM copilot.calls AS calls
  LEFT JOIN LATERAL (
    SELECT string_agg(DISTINCT coalesce(name, email), ', ' ORDER BY coalesce(name, email)) AS names
    FROM copilot.participants AS participants
    WHERE participants.call_id = calls.call_id AND joined IS NOT FALSE
  ) AS people ON true
  LEFT JOIN LATERAL (
    SELECT string_agg(brick || ': ' || CASE value_kind WHEN 'bool' THEN CASE WHEN value_bool THEN 'yes' ELSE 'no' END
        WHEN 'num' THEN trim_scale(round(value_num::numeric, 2))::text WHEN 'text' THEN value_text ELSE value_json::text END,
      ', ' ORDER BY kit, brick) AS scores
    FROM copilot.semarize_scores AS scores
    WHERE scores.call_id = calls.call_id AND value_kind <> 'null'
  ) AS scored ON true
  WHERE calls.deal_id IS NOT NULL AND calls.removed_at IS NULL AND calls.status IN ('ready', 'pending')
    AND calls.started_at <= now()

  UNION ALL
  SELECT versions.deal_id, versions.valid_from, change.kind, change.what, change.before, change.after,
    NULL, NULL, NULL, NULL
  FROM (
    SELECT *, lag(stage) OVER earlier AS former_stage, lag(money) OVER earlier AS former_money,
      lag(close_day) OVER earlier AS former_close_day, lag(owner_crm_id) OVER earlier AS former_owner,
      lag(forecast_category) OVER earlier AS former_category, lag(probability) OVER earlier AS former_probability,
      lag(origin) OVER earlier AS former_origin
    FROM (
      SELECT *, CASE WHEN amount IS NOT NULL THEN concat_ws(' ', currency, amount::numeric) END AS money,
        -- A date without a time, which is stored as midnight in UTC, is that day in every time zone.
        (close_date AT TIME ZONE CASE WHEN close_date = date_trunc('day', close_date, 'UTC') THEN 'UTC' ELSE
          coalesce((SELECT value FROM copilot_ops.key_values WHERE name = 'timezone'), 'UTC') END
        )::date::text AS close_day
      FROM copilot.deal_history
    ) AS known
    WINDOW earlier AS (PARTITION BY deal_id ORDER BY valid_from)
  ) AS versions
  CROSS JOIN LATERAL (VALUES
    ('stage', 'Stage changed', former_stage, stage),
    ('close_date', 'Close date changed', former_close_day, close_day),
    ('amount', 'Amount changed', former_money, money),
    ('owner', 'Owner changed', former_owner, owner_crm_id),
    ('forecast_category', 'Forecast category changed', former_category, forecast_category),
    ('probability', 'Probability in the CRM changed', former_probability::text, probability::text)
  ) AS change (kind, what, before, after)
  WHERE former_origin IS NOT NULL AND change.before IS DISTINCT FROM change.after
    -- What the CRM keeps no history of is unknown before the first refresh, so it has not changed by then.
    AND (former_origin = versions.origin OR (change.kind IN ('stage', 'close_date') AND change.before IS NOT NULL))

  UNION ALL
  SELECT versions.deal_id, limits.happened_at, limits.kind, limits.what, NULL, limits.after, NULL, NULL, NULL, NULL
  FROM (
    SELECT *, lag(valid_to) OVER earlier AS former_end, lead(valid_from) OVER earlier AS next_start
    FROM copilot.deal_history WINDOW earlier AS (PARTITION BY deal_id ORDER BY valid_from)
  ) AS versions
  CROSS JOIN LATERAL (VALUES
    (versions.valid_from, versions.former_end IS DISTINCT FROM versions.valid_from, 'known',
      CASE WHEN versions.origin = 'vendor' THEN 'Created in the CRM' WHEN versions.former_end IS NULL
        THEN 'Seen for the first time' ELSE 'Among the deals again' END, versions.stage),
    (versions.valid_to, versions.valid_to IS NOT NULL AND versions.next_start IS DISTINCT FROM versions.valid_to,
      'removed', 'No longer among the deals', NULL)
  ) AS limits (happened_at, is_event, kind, what, after)
  WHERE limits.is_event

  UNION ALL
  SELECT calls.deal_id, outbox.completed_at, CASE WHEN outbox.target = '' THEN 'alert' ELSE 'crm_update' END,
    CASE WHEN outbox.target = '' THEN 'Sent by ' ELSE 'Written by ' END || outbox.route || ' to ' || outbox.sink,
    NULL, NULL, NULL, NULL, calls.call_id, calls.review_url
  FROM copilot_ops.outbox AS outbox JOIN copilot.calls AS calls USING (call_id)
  WHERE outbox.state = 'sent' AND calls.deal_id IS NOT NULL

  UNION ALL
  SELECT deal_id,
    -- Forecasts have a day and no time; noon in UTC is on that day in almost every time zone.
    (made_on + time '12:00') AT TIME ZONE 'UTC', 'forecast', 'Forecast changed', former_forecast, forecast,
    NULL, NULL, NULL, NULL
  FROM (
    SELECT deal_id, made_on, forecast, lag(forecast) OVER earlier AS former_forecast,
      row_number() OVER earlier AS number
    FROM (
      SELECT deal_id, made_on, round(win_probability * 100)::text || ' %' AS forecast
      FROM copilot.forecast_track_record WHERE source = 'live'
    ) AS made
    WINDOW earlier AS (PARTITION BY deal_id ORDER BY made_on)
  ) AS forecasts
  WHERE forecast IS DISTINCT FROM former_forecast AND (number > 1 OR forecast IS NOT NULL)
) AS events;
