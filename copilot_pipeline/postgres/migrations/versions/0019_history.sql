CREATE TABLE copilot.deal_history (
  deal_id text COLLATE "C" NOT NULL,
  valid_from timestamptz NOT NULL,
  valid_to timestamptz,
  stage text,
  amount double precision,
  currency text,
  close_date timestamptz,
  owner_crm_id text,
  forecast_category text,
  probability double precision,
  origin text NOT NULL,
  seen_at timestamptz NOT NULL,
  PRIMARY KEY (deal_id, valid_from)
);
COMMENT ON TABLE copilot.deal_history IS 'One row per version of a deal, as the refreshes of `deals` saw it; before the first of them, as the CRM''s own history of stages and close dates records it.';
COMMENT ON COLUMN copilot.deal_history.deal_id IS 'Deal id in the CRM.';
COMMENT ON COLUMN copilot.deal_history.valid_from IS 'Start of the version: time of the refresh that saw it; before the first refresh, time of the CRM''s record.';
COMMENT ON COLUMN copilot.deal_history.valid_to IS 'End of the version (exclusive); null for the present one.';
COMMENT ON COLUMN copilot.deal_history.stage IS 'Stage.';
COMMENT ON COLUMN copilot.deal_history.amount IS 'Amount; null if unknown, as before the first refresh.';
COMMENT ON COLUMN copilot.deal_history.currency IS 'Currency of the amount (ISO 4217); null if unknown.';
COMMENT ON COLUMN copilot.deal_history.close_date IS 'Expected close date.';
COMMENT ON COLUMN copilot.deal_history.owner_crm_id IS 'Id of the owner in the CRM; null if unknown, as before the first refresh.';
COMMENT ON COLUMN copilot.deal_history.forecast_category IS 'Forecast category; null if unknown, as before the first refresh.';
COMMENT ON COLUMN copilot.deal_history.probability IS 'Probability in the CRM; null if unknown, as before the first refresh.';
COMMENT ON COLUMN copilot.deal_history.origin IS 'refresh: seen by a refresh. calls: seen by a refresh in calls only, until the CRM''s record is read. vendor: taken from the CRM''s own history.';
COMMENT ON COLUMN copilot.deal_history.seen_at IS 'Time of the refresh that recorded the version.';
CREATE TABLE copilot.user_history (
  user_id text COLLATE "C" NOT NULL,
  valid_from timestamptz NOT NULL,
  valid_to timestamptz,
  name text,
  email text,
  role text,
  is_recording boolean,
  manager_id text,
  seen_at timestamptz NOT NULL,
  PRIMARY KEY (user_id, valid_from)
);
COMMENT ON TABLE copilot.user_history IS 'One row per version of a user, as the refreshes of `users` saw it. A past week has the team of that week.';
COMMENT ON COLUMN copilot.user_history.user_id IS 'User id.';
COMMENT ON COLUMN copilot.user_history.valid_from IS 'Start of the version: time of the refresh that saw it.';
COMMENT ON COLUMN copilot.user_history.valid_to IS 'End of the version (exclusive); null for the present one.';
COMMENT ON COLUMN copilot.user_history.name IS 'Name.';
COMMENT ON COLUMN copilot.user_history.email IS 'E-mail.';
COMMENT ON COLUMN copilot.user_history.role IS 'REP, MANAGER or OBSERVER.';
COMMENT ON COLUMN copilot.user_history.is_recording IS 'Whether the user has a recording seat.';
COMMENT ON COLUMN copilot.user_history.manager_id IS 'User id of the manager, which identifies the team; null if the user has none.';
COMMENT ON COLUMN copilot.user_history.seen_at IS 'Time of the refresh that recorded the version.';
CREATE UNIQUE INDEX deal_history_present ON copilot.deal_history (deal_id) WHERE valid_to IS NULL;
CREATE UNIQUE INDEX user_history_present ON copilot.user_history (user_id) WHERE valid_to IS NULL;
COMMENT ON COLUMN copilot.meddicc_coverage.manager_id IS 'User id of the rep''s manager at the time of the call, which identifies the team.';
COMMENT ON COLUMN copilot.coaching_scores.manager_id IS 'User id of the rep''s manager at the time of the call.';
COMMENT ON COLUMN copilot.claims.manager_id IS 'User id of the rep''s manager at the time of the call, which identifies the team.';
COMMENT ON COLUMN copilot.rep_calls.manager_id IS 'User id of the rep''s manager at the time of the call, which identifies the team.';
