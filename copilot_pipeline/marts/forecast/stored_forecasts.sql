-- name: is_empty
-- Whether there is no forecast at all, of no source.
SELECT NOT EXISTS (SELECT 1 FROM copilot.forecast_track_record);

-- name: former_rows
-- The forecasts of former days.
SELECT source, made_on, deal_id, stage, amount, currency, close_date, win_probability, win_low, win_high, basis,
  model_probability, stage_win_rate, base_rate, outcome, closed_on, brier, model_brier, stage_brier, base_brier
FROM copilot.forecast_track_record
WHERE source = 'live' AND made_on < %(before)s ORDER BY made_on, deal_id;

-- name: forecasts_of_closed_deals
-- The probabilities of all forecasts that were made with a model, for deals that are closed by now.
SELECT deal_id, made_on, model_probability, stage_win_rate, base_rate
FROM copilot.forecast_track_record JOIN copilot.deals USING (deal_id)
WHERE source = 'live' AND model_probability IS NOT NULL AND stage_win_rate IS NOT NULL AND base_rate IS NOT NULL
  AND deals.outcome IN ('won', 'lost')
ORDER BY made_on, deal_id;
