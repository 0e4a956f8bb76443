CREATE TABLE copilot.deal_forecast (
  deal_id text COLLATE "C" NOT NULL,
  deal_name text,
  account_name text,
  rep_id text,
  rep_name text,
  manager_id text,
  stage text,
  forecast_category text,
  close_date timestamptz,
  amount double precision,
  currency text,
  crm_probability double precision,
  win_probability double precision,
  win_low double precision,
  win_high double precision,
  basis text NOT NULL,
  model_probability double precision,
  stage_win_rate double precision,
  base_rate double precision,
  reasons text[],
  reason_details jsonb,
  note text NOT NULL,
  age_days double precision NOT NULL,
  calls bigint NOT NULL,
  days_since_last_call double precision,
  last_call_id text,
  last_call_url text,
  trained_on bigint NOT NULL,
  made_on date NOT NULL,
  PRIMARY KEY (deal_id)
);
COMMENT ON TABLE copilot.deal_forecast IS 'One row per open deal: the probability that it is won, with interval and reasons.';
COMMENT ON COLUMN copilot.deal_forecast.deal_id IS 'Deal id in the CRM.';
COMMENT ON COLUMN copilot.deal_forecast.deal_name IS 'Display name.';
COMMENT ON COLUMN copilot.deal_forecast.account_name IS 'Account name.';
COMMENT ON COLUMN copilot.deal_forecast.rep_id IS 'The rep of the newest call: user id, else e-mail address in lower case.';
COMMENT ON COLUMN copilot.deal_forecast.rep_name IS 'Name of the rep.';
COMMENT ON COLUMN copilot.deal_forecast.manager_id IS 'User id of the rep''s manager, which identifies the team.';
COMMENT ON COLUMN copilot.deal_forecast.stage IS 'Stage.';
COMMENT ON COLUMN copilot.deal_forecast.forecast_category IS 'Forecast category.';
COMMENT ON COLUMN copilot.deal_forecast.close_date IS 'Expected close date.';
COMMENT ON COLUMN copilot.deal_forecast.amount IS 'Amount.';
COMMENT ON COLUMN copilot.deal_forecast.currency IS 'ISO 4217 code of the amounts; null if unknown.';
COMMENT ON COLUMN copilot.deal_forecast.crm_probability IS 'Probability that the CRM shows, 0 to 1.';
COMMENT ON COLUMN copilot.deal_forecast.win_probability IS 'Probability that the deal is won at some time; null with fewer closed deals than `min_deals`, 0 to 1.';
COMMENT ON COLUMN copilot.deal_forecast.win_low IS 'Lower end of its 95 % interval.';
COMMENT ON COLUMN copilot.deal_forecast.win_high IS 'Upper end of its 95 % interval.';
COMMENT ON COLUMN copilot.deal_forecast.basis IS 'Where win_probability comes from: model; stage (the win rate of the stage, because the model was no better in its track record); none (too few closed deals).';
COMMENT ON COLUMN copilot.deal_forecast.model_probability IS 'Probability of the model, whether or not it is the basis; null without a model.';
COMMENT ON COLUMN copilot.deal_forecast.stage_win_rate IS 'Share of the closed deals that passed this stage that were won (baseline).';
COMMENT ON COLUMN copilot.deal_forecast.base_rate IS 'Share of all closed deals that were won (baseline).';
COMMENT ON COLUMN copilot.deal_forecast.reasons IS 'What moves the probability most, in words, with the change in percentage points.';
COMMENT ON COLUMN copilot.deal_forecast.reason_details IS 'The same as a list of feature, points, text, call_id and review_url; the call is the newest that says so.';
COMMENT ON COLUMN copilot.deal_forecast.note IS 'Why this basis: what the track record says, or what is missing.';
COMMENT ON COLUMN copilot.deal_forecast.age_days IS 'Days since the deal was created or first discussed.';
COMMENT ON COLUMN copilot.deal_forecast.calls IS 'Number of calls so far.';
COMMENT ON COLUMN copilot.deal_forecast.days_since_last_call IS 'Days since the newest call; null without calls.';
COMMENT ON COLUMN copilot.deal_forecast.last_call_id IS 'Newest call.';
COMMENT ON COLUMN copilot.deal_forecast.last_call_url IS 'Page of the newest call in Clari Copilot.';
COMMENT ON COLUMN copilot.deal_forecast.trained_on IS 'Number of closed deals that model and baselines learned from.';
COMMENT ON COLUMN copilot.deal_forecast.made_on IS 'Day of the forecast (UTC): made of all calls so far, as of the end of the day.';
CREATE TABLE copilot.forecast_summary (
  grain text COLLATE "C" NOT NULL,
  grain_id text COLLATE "C" NOT NULL,
  grain_name text,
  close_month text COLLATE "C" NOT NULL,
  currency text COLLATE "C" NOT NULL,
  deals bigint NOT NULL,
  deals_without_amount bigint NOT NULL,
  deals_without_probability bigint NOT NULL,
  pipeline double precision NOT NULL,
  stage_weighted double precision,
  forecast double precision,
  forecast_low double precision,
  forecast_high double precision,
  wins double precision,
  commit double precision NOT NULL,
  best_case double precision NOT NULL,
  month_effect double precision,
  PRIMARY KEY (grain, grain_id, close_month, currency)
);
COMMENT ON TABLE copilot.forecast_summary IS 'The forecast by expected close month, team and rep, beside pipeline, CRM-weighted, commit and best case. One currency per row: amounts of different currencies are never added.';
COMMENT ON COLUMN copilot.forecast_summary.grain IS 'all, team or rep.';
COMMENT ON COLUMN copilot.forecast_summary.grain_id IS 'Manager id, rep id, `all`, or `unknown`.';
COMMENT ON COLUMN copilot.forecast_summary.grain_name IS 'Display name.';
COMMENT ON COLUMN copilot.forecast_summary.close_month IS 'Month of the expected close date, YYYY-MM, or `none`.';
COMMENT ON COLUMN copilot.forecast_summary.currency IS 'ISO 4217 code of the amounts, or `unknown`.';
COMMENT ON COLUMN copilot.forecast_summary.deals IS 'Number of open deals.';
COMMENT ON COLUMN copilot.forecast_summary.deals_without_amount IS 'Number of these deals without an amount, which add nothing.';
COMMENT ON COLUMN copilot.forecast_summary.deals_without_probability IS 'Number of these deals without a win probability.';
COMMENT ON COLUMN copilot.forecast_summary.pipeline IS 'Sum of the amounts.';
COMMENT ON COLUMN copilot.forecast_summary.stage_weighted IS 'Sum of amount times the probability that the CRM shows for the stage; where it shows none, times the historical win rate of the stage. Null if a deal has neither.';
COMMENT ON COLUMN copilot.forecast_summary.forecast IS 'Sum of amount times win probability; null if a deal has none.';
COMMENT ON COLUMN copilot.forecast_summary.forecast_low IS '5th percentile of the simulated sum of won amounts.';
COMMENT ON COLUMN copilot.forecast_summary.forecast_high IS '95th percentile of the simulated sum of won amounts.';
COMMENT ON COLUMN copilot.forecast_summary.wins IS 'Expected number of won deals; null if a deal has no win probability.';
COMMENT ON COLUMN copilot.forecast_summary.commit IS 'Sum of the amounts with a forecast category of `commit`.';
COMMENT ON COLUMN copilot.forecast_summary.best_case IS 'Sum of the amounts with a forecast category of `commit` or `best_case`.';
COMMENT ON COLUMN copilot.forecast_summary.month_effect IS 'Standard deviation, in log-odds, of what deals of one close month have in common, estimated from the backtest and used in the simulation; 0 if months differ no more than by chance.';
CREATE TABLE copilot.forecast_track_record (
  source text COLLATE "C" NOT NULL,
  made_on date NOT NULL,
  deal_id text COLLATE "C" NOT NULL,
  stage text,
  amount double precision,
  currency text,
  close_date timestamptz,
  win_probability double precision,
  win_low double precision,
  win_high double precision,
  basis text NOT NULL,
  model_probability double precision,
  stage_win_rate double precision,
  base_rate double precision,
  outcome text NOT NULL,
  closed_on date,
  brier double precision,
  model_brier double precision,
  stage_brier double precision,
  base_brier double precision,
  PRIMARY KEY (source, made_on, deal_id)
);
COMMENT ON TABLE copilot.forecast_track_record IS 'Every forecast as it was made, one row per day and deal, and its score once the deal has closed. Rows of `live` are kept for ever; a second run on a day replaces that day''s. Rows of `backtest` are built again each time.';
COMMENT ON COLUMN copilot.forecast_track_record.source IS 'live, or backtest: made later, from what was known on that day.';
COMMENT ON COLUMN copilot.forecast_track_record.made_on IS 'Day of the forecast (UTC).';
COMMENT ON COLUMN copilot.forecast_track_record.deal_id IS 'Deal id in the CRM.';
COMMENT ON COLUMN copilot.forecast_track_record.stage IS 'Stage on that day.';
COMMENT ON COLUMN copilot.forecast_track_record.amount IS 'Amount as known on that day.';
COMMENT ON COLUMN copilot.forecast_track_record.currency IS 'ISO 4217 code of the amounts; null if unknown.';
COMMENT ON COLUMN copilot.forecast_track_record.close_date IS 'Close date that was expected on that day; null in the backtest.';
COMMENT ON COLUMN copilot.forecast_track_record.win_probability IS 'Probability as forecast, 0 to 1.';
COMMENT ON COLUMN copilot.forecast_track_record.win_low IS 'Lower end of its 95 % interval.';
COMMENT ON COLUMN copilot.forecast_track_record.win_high IS 'Upper end of its 95 % interval.';
COMMENT ON COLUMN copilot.forecast_track_record.basis IS 'Where win_probability comes from: model; stage (the win rate of the stage, because the model was no better in its track record); none (too few closed deals).';
COMMENT ON COLUMN copilot.forecast_track_record.model_probability IS 'Probability of the model, whether or not it is the basis; null without a model.';
COMMENT ON COLUMN copilot.forecast_track_record.stage_win_rate IS 'Share of the closed deals that passed this stage that were won (baseline).';
COMMENT ON COLUMN copilot.forecast_track_record.base_rate IS 'Share of all closed deals that were won (baseline).';
COMMENT ON COLUMN copilot.forecast_track_record.outcome IS 'open, won or lost: how the deal has ended by now.';
COMMENT ON COLUMN copilot.forecast_track_record.closed_on IS 'Day on which it closed; null while it is open.';
COMMENT ON COLUMN copilot.forecast_track_record.brier IS 'Squared difference between win_probability and outcome; null while the deal is open.';
COMMENT ON COLUMN copilot.forecast_track_record.model_brier IS 'The same for the model.';
COMMENT ON COLUMN copilot.forecast_track_record.stage_brier IS 'The same for the win rate of the stage.';
COMMENT ON COLUMN copilot.forecast_track_record.base_brier IS 'The same for the base rate.';
CREATE TABLE copilot.forecast_accuracy (
  source text COLLATE "C" NOT NULL,
  decile text COLLATE "C" NOT NULL,
  forecasts bigint NOT NULL,
  deals bigint NOT NULL,
  mean_forecast double precision NOT NULL,
  won bigint NOT NULL,
  share double precision,
  share_low double precision,
  share_high double precision,
  model_brier double precision,
  stage_brier double precision,
  base_brier double precision,
  gain_over_stage double precision,
  gain_over_stage_low double precision,
  gain_over_stage_high double precision,
  gain_over_base double precision,
  gain_over_base_low double precision,
  gain_over_base_high double precision,
  verdict text,
  sentence text,
  first_made_on date,
  last_made_on date,
  PRIMARY KEY (source, decile)
);
COMMENT ON TABLE copilot.forecast_accuracy IS 'The track record in figures: Brier scores of the model against both baselines, and calibration in deciles.';
COMMENT ON COLUMN copilot.forecast_accuracy.source IS 'live or backtest.';
COMMENT ON COLUMN copilot.forecast_accuracy.decile IS '`all`, or 1 to 10: tenths of the model''s forecasts, the lowest first.';
COMMENT ON COLUMN copilot.forecast_accuracy.forecasts IS 'Number of forecasts for deals that have closed since.';
COMMENT ON COLUMN copilot.forecast_accuracy.deals IS 'Number of these deals; each counts once, as the mean of its forecasts.';
COMMENT ON COLUMN copilot.forecast_accuracy.mean_forecast IS 'Mean probability of the model.';
COMMENT ON COLUMN copilot.forecast_accuracy.won IS 'Number of these deals that were won.';
COMMENT ON COLUMN copilot.forecast_accuracy.share IS 'won / deals.';
COMMENT ON COLUMN copilot.forecast_accuracy.share_low IS 'Lower end of its 95 % interval (Wilson).';
COMMENT ON COLUMN copilot.forecast_accuracy.share_high IS 'Upper end of its 95 % interval (Wilson).';
COMMENT ON COLUMN copilot.forecast_accuracy.model_brier IS 'Brier score of the model; 0 is perfect, 0.25 is a coin.';
COMMENT ON COLUMN copilot.forecast_accuracy.stage_brier IS 'Brier score of the win rate of the stage.';
COMMENT ON COLUMN copilot.forecast_accuracy.base_brier IS 'Brier score of the base rate.';
COMMENT ON COLUMN copilot.forecast_accuracy.gain_over_stage IS 'stage_brier minus model_brier: above 0 the model is better. Null for deciles.';
COMMENT ON COLUMN copilot.forecast_accuracy.gain_over_stage_low IS 'Lower end of its 90 % interval (paired t-test over deals).';
COMMENT ON COLUMN copilot.forecast_accuracy.gain_over_stage_high IS 'Upper end of its 90 % interval.';
COMMENT ON COLUMN copilot.forecast_accuracy.gain_over_base IS 'base_brier minus model_brier. Null for deciles.';
COMMENT ON COLUMN copilot.forecast_accuracy.gain_over_base_low IS 'Lower end of its 90 % interval.';
COMMENT ON COLUMN copilot.forecast_accuracy.gain_over_base_high IS 'Upper end of its 90 % interval.';
COMMENT ON COLUMN copilot.forecast_accuracy.verdict IS 'better, no better or worse than the stage''s win rate, or too few; null for deciles.';
COMMENT ON COLUMN copilot.forecast_accuracy.sentence IS 'The verdict as a sentence; null for deciles.';
COMMENT ON COLUMN copilot.forecast_accuracy.first_made_on IS 'Day of the first of these forecasts.';
COMMENT ON COLUMN copilot.forecast_accuracy.last_made_on IS 'Day of the last of these forecasts.';
