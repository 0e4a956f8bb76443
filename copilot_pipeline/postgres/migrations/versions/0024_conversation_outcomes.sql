CREATE TABLE copilot.conversation_outcomes (
  grain text COLLATE "C" NOT NULL,
  grain_id text COLLATE "C" NOT NULL,
  metric text COLLATE "C" NOT NULL,
  grain_name text,
  n bigint NOT NULL,
  won bigint NOT NULL,
  lost bigint NOT NULL,
  calls bigint NOT NULL,
  mean_won double precision,
  mean_lost double precision,
  difference double precision,
  adjusted_difference double precision,
  adjusted_low double precision,
  adjusted_high double precision,
  p_value double precision,
  q_value double precision,
  is_significant boolean NOT NULL,
  sentence text NOT NULL,
  PRIMARY KEY (grain, grain_id, metric)
);
COMMENT ON TABLE copilot.conversation_outcomes IS 'Conversation metrics of won and lost deals, over all reps and by rep: the raw difference, and the difference between deals of equal exposure.';
COMMENT ON COLUMN copilot.conversation_outcomes.grain IS 'all or rep.';
COMMENT ON COLUMN copilot.conversation_outcomes.grain_id IS 'Rep id (the rep of most calls of the deal), or `all`.';
COMMENT ON COLUMN copilot.conversation_outcomes.metric IS 'talk_share (own share of the call''s rep, 0 to 1), longest_monologue_s (seconds), rep_questions_per_hour, or prospect_questions_per_hour (per hour of the call).';
COMMENT ON COLUMN copilot.conversation_outcomes.grain_name IS 'Name of the rep.';
COMMENT ON COLUMN copilot.conversation_outcomes.n IS 'Number of closed deals with the metric on a call before the close.';
COMMENT ON COLUMN copilot.conversation_outcomes.won IS 'Number of these deals that were won.';
COMMENT ON COLUMN copilot.conversation_outcomes.lost IS 'Number of these deals that were lost.';
COMMENT ON COLUMN copilot.conversation_outcomes.calls IS 'Number of their calls before the close: the exposure.';
COMMENT ON COLUMN copilot.conversation_outcomes.mean_won IS 'Mean over won deals; each deal counts once, as the mean over its calls.';
COMMENT ON COLUMN copilot.conversation_outcomes.mean_lost IS 'Mean over lost deals.';
COMMENT ON COLUMN copilot.conversation_outcomes.difference IS 'mean_won minus mean_lost, not adjusted.';
COMMENT ON COLUMN copilot.conversation_outcomes.adjusted_difference IS 'Difference between won and lost deals of the same rep with as many calls over as long a time; null if there are too few deals.';
COMMENT ON COLUMN copilot.conversation_outcomes.adjusted_low IS 'Lower end of its 95 % interval.';
COMMENT ON COLUMN copilot.conversation_outcomes.adjusted_high IS 'Upper end of its 95 % interval.';
COMMENT ON COLUMN copilot.conversation_outcomes.p_value IS 'P value of the adjusted difference, two-sided.';
COMMENT ON COLUMN copilot.conversation_outcomes.q_value IS 'p_value corrected for the number of reps (Benjamini-Hochberg).';
COMMENT ON COLUMN copilot.conversation_outcomes.is_significant IS 'Whether q_value is at most 0.05.';
COMMENT ON COLUMN copilot.conversation_outcomes.sentence IS 'The result as a sentence.';
