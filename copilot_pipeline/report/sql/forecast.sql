-- name: forecast_basis
-- When the forecast was made, on which basis, and why.
SELECT made_on, basis, note FROM copilot.deal_forecast ORDER BY deal_id LIMIT 1;

-- name: forecast_months
-- The months of the forecast by currency from the present one on, then the deals without a close date.
SELECT close_month, currency, deals, pipeline, stage_weighted, forecast, low, high, "commit", best_case FROM (
  SELECT close_month, nullif(currency, 'unknown') AS currency, deals, pipeline, stage_weighted, forecast,
    forecast_low AS low, forecast_high AS high, "commit", best_case,
    row_number() OVER (PARTITION BY currency ORDER BY close_month = 'none', close_month) AS number
  FROM copilot.forecast_summary WHERE grain = 'all'
    AND (close_month >= (SELECT to_char(max(made_on), 'YYYY-MM') FROM copilot.deal_forecast) OR close_month = 'none')
) AS months
WHERE number <= %(limit)s ORDER BY currency NULLS LAST, number;

-- name: overdue
-- The open deals whose close month has passed, by currency.
SELECT nullif(currency, 'unknown') AS currency, sum(deals)::integer AS deals, sum(pipeline) AS pipeline,
  sum(forecast) AS forecast
FROM copilot.forecast_summary WHERE grain = 'all'
  AND close_month < (SELECT to_char(max(made_on), 'YYYY-MM') FROM copilot.deal_forecast)
GROUP BY currency ORDER BY currency;

-- name: forecast_deals
-- The open deals with a probability that add most to the forecast, by currency the largest first.
SELECT coalesce(deal_name, deal_id) AS name, account_name AS account, stage, rep_name AS rep, amount, currency,
  close_date::date AS close_date, win_probability AS probability, win_low AS low, win_high AS high, reasons AS texts,
  reason_details AS details, last_call_url AS review_url
FROM copilot.deal_forecast
WHERE win_probability IS NOT NULL
ORDER BY amount * win_probability DESC NULLS LAST, deal_id LIMIT %(limit)s;

-- name: track_records
-- Scores and verdict of the forecasts whose deals have closed, those that were really made first.
SELECT source, deals, forecasts, model_brier AS model, stage_brier AS stage, base_brier AS base, sentence,
  first_made_on AS first, last_made_on AS last
FROM copilot.forecast_accuracy WHERE decile = 'all' ORDER BY source DESC;

-- name: deciles
-- Calibration of the backtest.
SELECT deals, won, mean_forecast AS forecast, share, share_low AS low, share_high AS high
FROM copilot.forecast_accuracy WHERE decile <> 'all' AND source = 'backtest' ORDER BY decile::integer;
