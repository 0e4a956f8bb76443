CREATE TABLE copilot.pipeline_changes (
  week date NOT NULL,
  deal_id text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL,
  currency text COLLATE "C" NOT NULL,
  deal_name text,
  account_name text,
  changed_at timestamptz NOT NULL,
  stage text,
  amount double precision,
  change double precision NOT NULL,
  close_date_before date,
  close_date_after date,
  days_moved bigint,
  is_observed boolean NOT NULL,
  calls bigint NOT NULL,
  call_ids text[],
  quotes text[],
  sentence text NOT NULL,
  PRIMARY KEY (week, deal_id, kind, currency)
);
COMMENT ON TABLE copilot.pipeline_changes IS 'One row per week, deal and kind of change of the open pipeline, with the conversations of that week. Changes of a week that cancel each other out have no row.';
COMMENT ON COLUMN copilot.pipeline_changes.week IS 'Monday of the week of the change, in the configured time zone.';
COMMENT ON COLUMN copilot.pipeline_changes.deal_id IS 'Deal id in the CRM.';
COMMENT ON COLUMN copilot.pipeline_changes.kind IS 'new, reopened, grown, shrunk, currency_changed, won, lost, removed (no longer among the deals), pulled_in or pushed_out (close date).';
COMMENT ON COLUMN copilot.pipeline_changes.currency IS 'ISO 4217 code of the amounts, or `unknown`.';
COMMENT ON COLUMN copilot.pipeline_changes.deal_name IS 'Deal name.';
COMMENT ON COLUMN copilot.pipeline_changes.account_name IS 'Account name.';
COMMENT ON COLUMN copilot.pipeline_changes.changed_at IS 'Time of the change; of the last one of this kind in the week.';
COMMENT ON COLUMN copilot.pipeline_changes.stage IS 'Stage after the change.';
COMMENT ON COLUMN copilot.pipeline_changes.amount IS 'Amount after the change; of a deal that left the pipeline, its last one.';
COMMENT ON COLUMN copilot.pipeline_changes.change IS 'Effect on the amount of the open pipeline: negative if it shrinks, 0 if only the close date moves.';
COMMENT ON COLUMN copilot.pipeline_changes.close_date_before IS 'Close date at the beginning of the week; null unless it moved.';
COMMENT ON COLUMN copilot.pipeline_changes.close_date_after IS 'Close date at the end of the week; null unless it moved.';
COMMENT ON COLUMN copilot.pipeline_changes.days_moved IS 'Days from the former to the new close date; null unless it moved.';
COMMENT ON COLUMN copilot.pipeline_changes.is_observed IS 'Whether refreshes saw the change. False: from the CRM''s own history, with the first amount that was seen.';
COMMENT ON COLUMN copilot.pipeline_changes.calls IS 'Number of calls of the deal in the week.';
COMMENT ON COLUMN copilot.pipeline_changes.call_ids IS 'These calls, oldest first.';
COMMENT ON COLUMN copilot.pipeline_changes.quotes IS 'Up to five quotes of these calls, with brick and speaker; those of prospects first.';
COMMENT ON COLUMN copilot.pipeline_changes.sentence IS 'The change as a sentence.';
CREATE TABLE copilot.pipeline_waterfall (
  week date NOT NULL,
  currency text COLLATE "C" NOT NULL,
  step text COLLATE "C" NOT NULL,
  position bigint NOT NULL,
  deals bigint NOT NULL,
  amount double precision NOT NULL,
  is_observed boolean NOT NULL,
  is_complete boolean NOT NULL,
  PRIMARY KEY (week, currency, step)
);
COMMENT ON TABLE copilot.pipeline_waterfall IS 'The open pipeline of each week and currency, step by step: opening + changes = closing.';
COMMENT ON COLUMN copilot.pipeline_waterfall.week IS 'Monday of the week, in the configured time zone.';
COMMENT ON COLUMN copilot.pipeline_waterfall.currency IS 'ISO 4217 code of the amounts, or `unknown`.';
COMMENT ON COLUMN copilot.pipeline_waterfall.step IS 'opening, new, reopened, grown, shrunk, currency_changed, won, lost, removed or closing.';
COMMENT ON COLUMN copilot.pipeline_waterfall.position IS 'Position of the step, from 0.';
COMMENT ON COLUMN copilot.pipeline_waterfall.deals IS 'Number of open deals for opening and closing, of changed deals for the others.';
COMMENT ON COLUMN copilot.pipeline_waterfall.amount IS 'Amount of the open deals for opening and closing; effect on it for the others, negative if it shrinks.';
COMMENT ON COLUMN copilot.pipeline_waterfall.is_observed IS 'Whether the week is after that of the first refresh. False: from the CRM''s own history, of the deals that are known since, with the first amounts that were seen.';
COMMENT ON COLUMN copilot.pipeline_waterfall.is_complete IS 'Whether the week had ended when the mart was built.';
