CREATE TABLE copilot.meddicc_coverage (
  call_id text COLLATE "C" NOT NULL,
  element text COLLATE "C" NOT NULL,
  call_date date NOT NULL,
  week date NOT NULL,
  deal_id text,
  rep_id text,
  rep_name text,
  manager_id text,
  kit text NOT NULL,
  brick text NOT NULL,
  kit_version_id text,
  is_covered boolean NOT NULL,
  is_answered boolean NOT NULL,
  level double precision,
  confidence double precision,
  evidence text,
  review_url text,
  PRIMARY KEY (call_id, element)
);
COMMENT ON TABLE copilot.meddicc_coverage IS 'One row per scored call and MEDDICC element: was it covered, and how well.';
COMMENT ON COLUMN copilot.meddicc_coverage.call_id IS 'Clari Copilot''s id of the call.';
COMMENT ON COLUMN copilot.meddicc_coverage.element IS 'metrics, economic_buyer, decision_criteria, decision_process, …';
COMMENT ON COLUMN copilot.meddicc_coverage.call_date IS 'The partition: the day of the call''s time.';
COMMENT ON COLUMN copilot.meddicc_coverage.week IS 'Monday of the call''s week.';
COMMENT ON COLUMN copilot.meddicc_coverage.deal_id IS 'Deal of the call.';
COMMENT ON COLUMN copilot.meddicc_coverage.rep_id IS 'The rep: user id, else e-mail, else name; null where nobody is known.';
COMMENT ON COLUMN copilot.meddicc_coverage.rep_name IS 'The rep''s name.';
COMMENT ON COLUMN copilot.meddicc_coverage.manager_id IS 'User id of the rep''s manager: the team.';
COMMENT ON COLUMN copilot.meddicc_coverage.kit IS 'Our name of the kit that answered.';
COMMENT ON COLUMN copilot.meddicc_coverage.brick IS 'The brick that plays this part.';
COMMENT ON COLUMN copilot.meddicc_coverage.kit_version_id IS 'The kit version that answered.';
COMMENT ON COLUMN copilot.meddicc_coverage.is_covered IS 'Covered; false where the kit found nothing to answer.';
COMMENT ON COLUMN copilot.meddicc_coverage.is_answered IS 'The brick has a value; without one the element counts as not covered.';
COMMENT ON COLUMN copilot.meddicc_coverage.level IS 'How well: the value as a share of its scale, 0 to 1; null without a value.';
COMMENT ON COLUMN copilot.meddicc_coverage.confidence IS 'Semarize''s confidence, 0 to 1.';
COMMENT ON COLUMN copilot.meddicc_coverage.evidence IS 'The first quote.';
COMMENT ON COLUMN copilot.meddicc_coverage.review_url IS 'The call''s page in Clari Copilot.';
CREATE TABLE copilot.meddicc_summary (
  grain text COLLATE "C" NOT NULL,
  grain_id text COLLATE "C" NOT NULL,
  grain_name text,
  element text COLLATE "C" NOT NULL,
  n bigint NOT NULL,
  covered bigint NOT NULL,
  share double precision,
  share_low double precision,
  share_high double precision,
  mean_level double precision,
  n_level bigint NOT NULL,
  PRIMARY KEY (grain, grain_id, element)
);
COMMENT ON TABLE copilot.meddicc_summary IS 'Coverage by deal, rep, team, week and in all. For a deal: was the element covered on any of its calls.';
COMMENT ON COLUMN copilot.meddicc_summary.grain IS 'all, deal, rep, team or week.';
COMMENT ON COLUMN copilot.meddicc_summary.grain_id IS 'Deal id, rep id, manager id, Monday (YYYY-MM-DD), or `all`.';
COMMENT ON COLUMN copilot.meddicc_summary.grain_name IS 'Its name.';
COMMENT ON COLUMN copilot.meddicc_summary.element IS 'The MEDDICC element.';
COMMENT ON COLUMN copilot.meddicc_summary.n IS 'Scored calls.';
COMMENT ON COLUMN copilot.meddicc_summary.covered IS 'Of these, calls that covered it.';
COMMENT ON COLUMN copilot.meddicc_summary.share IS 'Share of calls that covered it, 0 to 1; null where n is 0.';
COMMENT ON COLUMN copilot.meddicc_summary.share_low IS 'Lower end of its 95 % interval (Wilson).';
COMMENT ON COLUMN copilot.meddicc_summary.share_high IS 'Upper end of its 95 % interval (Wilson).';
COMMENT ON COLUMN copilot.meddicc_summary.mean_level IS 'Mean level over the calls that have one, 0 to 1.';
COMMENT ON COLUMN copilot.meddicc_summary.n_level IS 'Calls that have a level.';
CREATE TABLE copilot.meddicc_outcomes (
  element text COLLATE "C" NOT NULL,
  outcome text COLLATE "C" NOT NULL,
  n bigint NOT NULL,
  uncovered bigint NOT NULL,
  share double precision,
  share_low double precision,
  share_high double precision,
  p_value double precision,
  sentence text NOT NULL,
  PRIMARY KEY (element, outcome)
);
COMMENT ON TABLE copilot.meddicc_outcomes IS 'Coverage against outcome: of the deals that were won or lost, how many never had the element covered.';
COMMENT ON COLUMN copilot.meddicc_outcomes.element IS 'The MEDDICC element.';
COMMENT ON COLUMN copilot.meddicc_outcomes.outcome IS 'won, lost or open.';
COMMENT ON COLUMN copilot.meddicc_outcomes.n IS 'Deals with that outcome and at least one scored call.';
COMMENT ON COLUMN copilot.meddicc_outcomes.uncovered IS 'Of these, deals with no call that covered the element.';
COMMENT ON COLUMN copilot.meddicc_outcomes.share IS 'Share of deals without coverage, 0 to 1; null where n is 0.';
COMMENT ON COLUMN copilot.meddicc_outcomes.share_low IS 'Lower end of its 95 % interval (Wilson).';
COMMENT ON COLUMN copilot.meddicc_outcomes.share_high IS 'Upper end of its 95 % interval (Wilson).';
COMMENT ON COLUMN copilot.meddicc_outcomes.p_value IS 'Fisher''s exact test of coverage against won or lost; null for open.';
COMMENT ON COLUMN copilot.meddicc_outcomes.sentence IS 'The same in words.';
CREATE TABLE copilot.coaching_scores (
  rep_id text COLLATE "C" NOT NULL,
  skill text COLLATE "C" NOT NULL,
  call_id text COLLATE "C" NOT NULL,
  call_date date NOT NULL,
  week date NOT NULL,
  started_at timestamptz NOT NULL,
  rep_name text,
  manager_id text,
  call_number bigint NOT NULL,
  score double precision NOT NULL,
  threshold double precision NOT NULL,
  is_below boolean NOT NULL,
  calls_below bigint NOT NULL,
  regression_detected boolean NOT NULL,
  slide_first_call_id text,
  rolling_mean double precision NOT NULL,
  trend double precision,
  calls_since_training bigint,
  training text,
  kit_version_id text,
  review_url text,
  PRIMARY KEY (rep_id, skill, call_id)
);
COMMENT ON TABLE copilot.coaching_scores IS 'One row per rep, skill and call, in call order: score, trend, regression.';
COMMENT ON COLUMN copilot.coaching_scores.rep_id IS 'The rep: user id, else e-mail, else name.';
COMMENT ON COLUMN copilot.coaching_scores.skill IS 'The skill (the brick''s key).';
COMMENT ON COLUMN copilot.coaching_scores.call_id IS 'Clari Copilot''s id of the call.';
COMMENT ON COLUMN copilot.coaching_scores.call_date IS 'The partition: the day of the call''s time.';
COMMENT ON COLUMN copilot.coaching_scores.week IS 'Monday of the call''s week.';
COMMENT ON COLUMN copilot.coaching_scores.started_at IS 'When the call was.';
COMMENT ON COLUMN copilot.coaching_scores.rep_name IS 'The rep''s name.';
COMMENT ON COLUMN copilot.coaching_scores.manager_id IS 'User id of the rep''s manager.';
COMMENT ON COLUMN copilot.coaching_scores.call_number IS 'Scored calls of this rep and skill so far, from 1.';
COMMENT ON COLUMN copilot.coaching_scores.score IS 'The score.';
COMMENT ON COLUMN copilot.coaching_scores.threshold IS 'The threshold in force.';
COMMENT ON COLUMN copilot.coaching_scores.is_below IS 'Below the threshold.';
COMMENT ON COLUMN copilot.coaching_scores.calls_below IS 'Consecutive calls below the threshold, this one included.';
COMMENT ON COLUMN copilot.coaching_scores.regression_detected IS 'Below on as many consecutive calls as the setting says.';
COMMENT ON COLUMN copilot.coaching_scores.slide_first_call_id IS 'While a slide lasts: its first call.';
COMMENT ON COLUMN copilot.coaching_scores.rolling_mean IS 'Mean of the last calls (setting `rolling_calls`), this one included.';
COMMENT ON COLUMN copilot.coaching_scores.trend IS 'Slope of the last calls, score a call; null with fewer than three.';
COMMENT ON COLUMN copilot.coaching_scores.calls_since_training IS 'Calls since the newest training of this rep and skill; null without one.';
COMMENT ON COLUMN copilot.coaching_scores.training IS 'Name of that training.';
COMMENT ON COLUMN copilot.coaching_scores.kit_version_id IS 'The kit version that answered.';
COMMENT ON COLUMN copilot.coaching_scores.review_url IS 'The call''s page in Clari Copilot.';
CREATE TABLE copilot.coaching_slides (
  rep_id text COLLATE "C" NOT NULL,
  skill text COLLATE "C" NOT NULL,
  first_call_id text COLLATE "C" NOT NULL,
  rep_name text,
  manager_id text,
  manager_name text,
  manager_email text,
  first_call_at timestamptz NOT NULL,
  detected_call_id text NOT NULL,
  detected_at timestamptz NOT NULL,
  detected_week date NOT NULL,
  calls bigint NOT NULL,
  threshold double precision NOT NULL,
  lowest double precision NOT NULL,
  latest double precision NOT NULL,
  calls_since_training bigint,
  is_over boolean NOT NULL,
  recovered_call_id text,
  recovered_at timestamptz,
  PRIMARY KEY (rep_id, skill, first_call_id)
);
COMMENT ON TABLE copilot.coaching_slides IS 'One row per slide: a skill below its threshold on consecutive calls. One alert each, to the manager.';
COMMENT ON COLUMN copilot.coaching_slides.rep_id IS 'The rep.';
COMMENT ON COLUMN copilot.coaching_slides.skill IS 'The skill.';
COMMENT ON COLUMN copilot.coaching_slides.first_call_id IS 'The first call of the slide.';
COMMENT ON COLUMN copilot.coaching_slides.rep_name IS 'The rep''s name.';
COMMENT ON COLUMN copilot.coaching_slides.manager_id IS 'User id of the manager who is told.';
COMMENT ON COLUMN copilot.coaching_slides.manager_name IS 'The manager''s name.';
COMMENT ON COLUMN copilot.coaching_slides.manager_email IS 'The manager''s e-mail.';
COMMENT ON COLUMN copilot.coaching_slides.first_call_at IS 'When the slide began.';
COMMENT ON COLUMN copilot.coaching_slides.detected_call_id IS 'The call on which it was detected.';
COMMENT ON COLUMN copilot.coaching_slides.detected_at IS 'When that call was.';
COMMENT ON COLUMN copilot.coaching_slides.detected_week IS 'Monday of that week.';
COMMENT ON COLUMN copilot.coaching_slides.calls IS 'Calls below in a row, so far.';
COMMENT ON COLUMN copilot.coaching_slides.threshold IS 'The threshold.';
COMMENT ON COLUMN copilot.coaching_slides.lowest IS 'The lowest score of the slide.';
COMMENT ON COLUMN copilot.coaching_slides.latest IS 'The newest score of the slide.';
COMMENT ON COLUMN copilot.coaching_slides.calls_since_training IS 'Calls since the newest training, at detection; null without one.';
COMMENT ON COLUMN copilot.coaching_slides.is_over IS 'The skill came back to its threshold.';
COMMENT ON COLUMN copilot.coaching_slides.recovered_call_id IS 'The call on which it came back.';
COMMENT ON COLUMN copilot.coaching_slides.recovered_at IS 'When that call was.';
CREATE TABLE copilot.claims (
  claim_id text COLLATE "C" NOT NULL,
  call_id text NOT NULL,
  call_date date NOT NULL,
  week date NOT NULL,
  started_at timestamptz NOT NULL,
  deal_id text,
  rep_id text,
  rep_name text,
  manager_id text,
  kind text NOT NULL,
  kit text NOT NULL,
  brick text NOT NULL,
  kit_version_id text,
  quote text,
  is_found boolean NOT NULL,
  match text NOT NULL,
  match_score double precision,
  seq bigint,
  start_s double precision,
  speaker text,
  speaker_side text,
  said text,
  document text,
  product text,
  reason text,
  confidence double precision,
  review_url text,
  PRIMARY KEY (claim_id)
);
COMMENT ON TABLE copilot.claims IS 'One row per flagged claim and quote: what kind, where it was said, and which document it contradicts.';
COMMENT ON COLUMN copilot.claims.claim_id IS 'Made of call, kit, brick and position.';
COMMENT ON COLUMN copilot.claims.call_id IS 'Clari Copilot''s id of the call.';
COMMENT ON COLUMN copilot.claims.call_date IS 'The partition: the day of the call''s time.';
COMMENT ON COLUMN copilot.claims.week IS 'Monday of the call''s week.';
COMMENT ON COLUMN copilot.claims.started_at IS 'When the call was.';
COMMENT ON COLUMN copilot.claims.deal_id IS 'Deal of the call.';
COMMENT ON COLUMN copilot.claims.rep_id IS 'The rep: user id, else e-mail, else name; null where nobody is known.';
COMMENT ON COLUMN copilot.claims.rep_name IS 'The rep''s name.';
COMMENT ON COLUMN copilot.claims.manager_id IS 'User id of the rep''s manager: the team.';
COMMENT ON COLUMN copilot.claims.kind IS 'inaccurate, roadmap_leak, outdated_competitive, or another kind of the settings.';
COMMENT ON COLUMN copilot.claims.kit IS 'Our name of the kit.';
COMMENT ON COLUMN copilot.claims.brick IS 'The brick that flagged it.';
COMMENT ON COLUMN copilot.claims.kit_version_id IS 'The kit version that answered.';
COMMENT ON COLUMN copilot.claims.quote IS 'The quote, as the kit gave it; null where it gave none.';
COMMENT ON COLUMN copilot.claims.is_found IS 'The quote was found in the transcript.';
COMMENT ON COLUMN copilot.claims.match IS 'exact, normalized, fuzzy or not found; no quote where there is none.';
COMMENT ON COLUMN copilot.claims.match_score IS 'How exact, 0 to 1.';
COMMENT ON COLUMN copilot.claims.seq IS 'The utterance it begins in.';
COMMENT ON COLUMN copilot.claims.start_s IS 'Seconds from the start of the call.';
COMMENT ON COLUMN copilot.claims.speaker IS 'Who said it.';
COMMENT ON COLUMN copilot.claims.speaker_side IS 'rep, prospect or unknown.';
COMMENT ON COLUMN copilot.claims.said IS 'The words of the transcript that were matched.';
COMMENT ON COLUMN copilot.claims.document IS 'The source document it contradicts, where one is named.';
COMMENT ON COLUMN copilot.claims.product IS 'The product it is about, where one is named.';
COMMENT ON COLUMN copilot.claims.reason IS 'The kit''s reason.';
COMMENT ON COLUMN copilot.claims.confidence IS 'Confidence, 0 to 1.';
COMMENT ON COLUMN copilot.claims.review_url IS 'The call''s page in Clari Copilot.';
CREATE TABLE copilot.claim_accuracy (
  grain text COLLATE "C" NOT NULL,
  grain_id text COLLATE "C" NOT NULL,
  grain_name text,
  n bigint NOT NULL,
  accurate bigint NOT NULL,
  share double precision,
  share_low double precision,
  share_high double precision,
  claims bigint NOT NULL,
  inaccurate bigint NOT NULL,
  roadmap_leaks bigint NOT NULL,
  outdated_competitive bigint NOT NULL,
  quotes_not_found bigint NOT NULL,
  PRIMARY KEY (grain, grain_id)
);
COMMENT ON TABLE copilot.claim_accuracy IS 'Accuracy by rep, product, week and in all: the share of checked calls without a flagged claim.';
COMMENT ON COLUMN copilot.claim_accuracy.grain IS 'all, rep, product or week.';
COMMENT ON COLUMN copilot.claim_accuracy.grain_id IS 'Rep id, product, Monday (YYYY-MM-DD), or `all`.';
COMMENT ON COLUMN copilot.claim_accuracy.grain_name IS 'Its name.';
COMMENT ON COLUMN copilot.claim_accuracy.n IS 'Calls that were checked.';
COMMENT ON COLUMN copilot.claim_accuracy.accurate IS 'Of these, calls without a flagged claim.';
COMMENT ON COLUMN copilot.claim_accuracy.share IS 'Share of calls without a flagged claim, 0 to 1; null where n is 0.';
COMMENT ON COLUMN copilot.claim_accuracy.share_low IS 'Lower end of its 95 % interval (Wilson).';
COMMENT ON COLUMN copilot.claim_accuracy.share_high IS 'Upper end of its 95 % interval (Wilson).';
COMMENT ON COLUMN copilot.claim_accuracy.claims IS 'Flagged claims.';
COMMENT ON COLUMN copilot.claim_accuracy.inaccurate IS 'Of these, inaccurate product claims.';
COMMENT ON COLUMN copilot.claim_accuracy.roadmap_leaks IS 'Of these, roadmap leaks.';
COMMENT ON COLUMN copilot.claim_accuracy.outdated_competitive IS 'Of these, outdated competitive statements.';
COMMENT ON COLUMN copilot.claim_accuracy.quotes_not_found IS 'Of these, claims whose quote is not in the transcript.';
CREATE TABLE copilot.message_adoption (
  message text COLLATE "C" NOT NULL,
  rep_id text COLLATE "C" NOT NULL,
  rep_name text,
  changed_on date NOT NULL,
  n bigint NOT NULL,
  calls_using bigint NOT NULL,
  share double precision,
  share_low double precision,
  share_high double precision,
  first_call_id text,
  first_used_at timestamptz,
  lag_days double precision,
  still_old bigint NOT NULL,
  last_old_call_id text,
  PRIMARY KEY (message, rep_id)
);
COMMENT ON TABLE copilot.message_adoption IS 'From a change of messaging to its use on calls, by rep and in all.';
COMMENT ON COLUMN copilot.message_adoption.message IS 'Name of the change.';
COMMENT ON COLUMN copilot.message_adoption.rep_id IS 'The rep, or `all`.';
COMMENT ON COLUMN copilot.message_adoption.rep_name IS 'The rep''s name.';
COMMENT ON COLUMN copilot.message_adoption.changed_on IS 'When the message changed.';
COMMENT ON COLUMN copilot.message_adoption.n IS 'Calls since then.';
COMMENT ON COLUMN copilot.message_adoption.calls_using IS 'Of these, calls that use the new message.';
COMMENT ON COLUMN copilot.message_adoption.share IS 'Share of calls that use it, 0 to 1; null where n is 0.';
COMMENT ON COLUMN copilot.message_adoption.share_low IS 'Lower end of its 95 % interval (Wilson).';
COMMENT ON COLUMN copilot.message_adoption.share_high IS 'Upper end of its 95 % interval (Wilson).';
COMMENT ON COLUMN copilot.message_adoption.first_call_id IS 'First call that uses it.';
COMMENT ON COLUMN copilot.message_adoption.first_used_at IS 'When that was.';
COMMENT ON COLUMN copilot.message_adoption.lag_days IS 'Days from the change to that call; null while nobody uses it.';
COMMENT ON COLUMN copilot.message_adoption.still_old IS 'Calls since the change that still use the old message.';
COMMENT ON COLUMN copilot.message_adoption.last_old_call_id IS 'The newest of these.';
CREATE TABLE copilot.win_loss_drivers (
  condition text COLLATE "C" NOT NULL,
  size bigint NOT NULL,
  bricks text[],
  n bigint NOT NULL,
  support bigint NOT NULL,
  won bigint NOT NULL,
  win_rate double precision NOT NULL,
  win_rate_low double precision NOT NULL,
  win_rate_high double precision NOT NULL,
  base_rate double precision NOT NULL,
  rest_rate double precision,
  lift double precision,
  p_value double precision NOT NULL,
  q_value double precision NOT NULL,
  is_significant boolean NOT NULL,
  direction text NOT NULL,
  sentence text NOT NULL,
  PRIMARY KEY (condition)
);
COMMENT ON TABLE copilot.win_loss_drivers IS 'Conditions on the scores, alone and up to three together, against won and lost deals.';
COMMENT ON COLUMN copilot.win_loss_drivers.condition IS 'In words: `budget_confirmed and discovery_depth > 65`.';
COMMENT ON COLUMN copilot.win_loss_drivers.size IS 'Conditions in it, 1 to 3.';
COMMENT ON COLUMN copilot.win_loss_drivers.bricks IS 'The bricks in it, `kit.brick`.';
COMMENT ON COLUMN copilot.win_loss_drivers.n IS 'Closed deals of which every brick in it is known.';
COMMENT ON COLUMN copilot.win_loss_drivers.support IS 'Of these, deals for which it holds.';
COMMENT ON COLUMN copilot.win_loss_drivers.won IS 'Of these, won.';
COMMENT ON COLUMN copilot.win_loss_drivers.win_rate IS 'won / support.';
COMMENT ON COLUMN copilot.win_loss_drivers.win_rate_low IS 'Lower end of its 95 % interval (Wilson).';
COMMENT ON COLUMN copilot.win_loss_drivers.win_rate_high IS 'Upper end of its 95 % interval (Wilson).';
COMMENT ON COLUMN copilot.win_loss_drivers.base_rate IS 'Share won among the n deals.';
COMMENT ON COLUMN copilot.win_loss_drivers.rest_rate IS 'Share won among the deals for which it does not hold.';
COMMENT ON COLUMN copilot.win_loss_drivers.lift IS 'win_rate / base_rate; null where nothing was won.';
COMMENT ON COLUMN copilot.win_loss_drivers.p_value IS 'Fisher''s exact test, two-sided.';
COMMENT ON COLUMN copilot.win_loss_drivers.q_value IS 'The same times the cuts tried, after Benjamini and Hochberg over all that was tested of its size.';
COMMENT ON COLUMN copilot.win_loss_drivers.is_significant IS 'q_value is at or below the setting `false_discovery_rate`; a conjunction also adds to each of its parts.';
COMMENT ON COLUMN copilot.win_loss_drivers.direction IS 'wins or losses: which of the two it goes with.';
COMMENT ON COLUMN copilot.win_loss_drivers.sentence IS 'One line that says it.';
CREATE TABLE copilot.win_loss_conclusion (
  scope text COLLATE "C" NOT NULL,
  deals bigint NOT NULL,
  won bigint NOT NULL,
  tested bigint NOT NULL,
  significant bigint NOT NULL,
  conclusion text NOT NULL,
  PRIMARY KEY (scope)
);
COMMENT ON TABLE copilot.win_loss_conclusion IS 'One row: what the drivers rest on, and what they come to in one sentence.';
COMMENT ON COLUMN copilot.win_loss_conclusion.scope IS '`all`: over all closed deals.';
COMMENT ON COLUMN copilot.win_loss_conclusion.deals IS 'Closed deals with scored calls.';
COMMENT ON COLUMN copilot.win_loss_conclusion.won IS 'Of these, won.';
COMMENT ON COLUMN copilot.win_loss_conclusion.tested IS 'Conditions and conjunctions that were tested; 0 with too few deals.';
COMMENT ON COLUMN copilot.win_loss_conclusion.significant IS 'Of those in `win_loss_drivers`, how many hold up.';
COMMENT ON COLUMN copilot.win_loss_conclusion.conclusion IS 'The strongest driver, or why there is none.';
CREATE TABLE copilot.deal_signals (
  deal_id text COLLATE "C" NOT NULL,
  kit text COLLATE "C" NOT NULL,
  brick text COLLATE "C" NOT NULL,
  value_kind text NOT NULL,
  latest text NOT NULL,
  latest_num double precision,
  previous text,
  change double precision,
  trend text NOT NULL,
  slope double precision,
  answers bigint NOT NULL,
  call_id text NOT NULL,
  answered_at timestamptz NOT NULL,
  reason text,
  evidence text,
  kit_version_id text,
  review_url text,
  PRIMARY KEY (deal_id, kit, brick)
);
COMMENT ON TABLE copilot.deal_signals IS 'One row per open deal and brick: its newest answer, the one before, and the trend.';
COMMENT ON COLUMN copilot.deal_signals.deal_id IS 'The deal.';
COMMENT ON COLUMN copilot.deal_signals.kit IS 'Our name of the kit.';
COMMENT ON COLUMN copilot.deal_signals.brick IS 'The brick.';
COMMENT ON COLUMN copilot.deal_signals.value_kind IS 'bool, num, text or json.';
COMMENT ON COLUMN copilot.deal_signals.latest IS 'The newest answer, as text.';
COMMENT ON COLUMN copilot.deal_signals.latest_num IS 'The newest answer as a number (true is 1).';
COMMENT ON COLUMN copilot.deal_signals.previous IS 'The answer before it, as text.';
COMMENT ON COLUMN copilot.deal_signals.change IS 'Newest minus the one before, where both are numbers.';
COMMENT ON COLUMN copilot.deal_signals.trend IS 'up, down or flat; changed where it is no number, new with one answer.';
COMMENT ON COLUMN copilot.deal_signals.slope IS 'Slope over all answers, a call; null with fewer than three numbers.';
COMMENT ON COLUMN copilot.deal_signals.answers IS 'Calls with an answer.';
COMMENT ON COLUMN copilot.deal_signals.call_id IS 'The call of the newest answer.';
COMMENT ON COLUMN copilot.deal_signals.answered_at IS 'When that call was.';
COMMENT ON COLUMN copilot.deal_signals.reason IS 'Why.';
COMMENT ON COLUMN copilot.deal_signals.evidence IS 'The first quote.';
COMMENT ON COLUMN copilot.deal_signals.kit_version_id IS 'The kit version that answered.';
COMMENT ON COLUMN copilot.deal_signals.review_url IS 'The call''s page in Clari Copilot.';
CREATE TABLE copilot.deal_inspection (
  deal_id text COLLATE "C" NOT NULL,
  deal_name text,
  account_name text,
  amount double precision,
  stage text,
  forecast_category text,
  close_date timestamptz,
  owner_name text,
  calls bigint NOT NULL,
  scored_calls bigint NOT NULL,
  last_call_at timestamptz,
  last_call_id text,
  days_since_last_call double precision,
  last_call_url text,
  people text[],
  prospects bigint NOT NULL,
  risk_flags text[],
  risks bigint NOT NULL,
  stage_expects text[],
  stage_lacks text[],
  stage_evidence double precision,
  meddicc_covered double precision,
  PRIMARY KEY (deal_id)
);
COMMENT ON TABLE copilot.deal_inspection IS 'One row per open deal: when anybody last spoke, who was there, what is at risk, and what its stage lacks.';
COMMENT ON COLUMN copilot.deal_inspection.deal_id IS 'The deal.';
COMMENT ON COLUMN copilot.deal_inspection.deal_name IS 'Its name.';
COMMENT ON COLUMN copilot.deal_inspection.account_name IS 'Account name.';
COMMENT ON COLUMN copilot.deal_inspection.amount IS 'Amount.';
COMMENT ON COLUMN copilot.deal_inspection.stage IS 'Stage.';
COMMENT ON COLUMN copilot.deal_inspection.forecast_category IS 'Forecast category.';
COMMENT ON COLUMN copilot.deal_inspection.close_date IS 'Expected close date.';
COMMENT ON COLUMN copilot.deal_inspection.owner_name IS 'The rep of the newest call.';
COMMENT ON COLUMN copilot.deal_inspection.calls IS 'Calls linked to it.';
COMMENT ON COLUMN copilot.deal_inspection.scored_calls IS 'Of these, calls with scores.';
COMMENT ON COLUMN copilot.deal_inspection.last_call_at IS 'The newest call; null without calls.';
COMMENT ON COLUMN copilot.deal_inspection.last_call_id IS 'The newest call.';
COMMENT ON COLUMN copilot.deal_inspection.days_since_last_call IS 'Days since then; null without calls.';
COMMENT ON COLUMN copilot.deal_inspection.last_call_url IS 'Its page in Clari Copilot.';
COMMENT ON COLUMN copilot.deal_inspection.people IS 'Prospects who were on any of its calls.';
COMMENT ON COLUMN copilot.deal_inspection.prospects IS 'How many.';
COMMENT ON COLUMN copilot.deal_inspection.risk_flags IS 'What is wrong, in words.';
COMMENT ON COLUMN copilot.deal_inspection.risks IS 'How many.';
COMMENT ON COLUMN copilot.deal_inspection.stage_expects IS 'Conditions that the stage asks for (setting `stages`).';
COMMENT ON COLUMN copilot.deal_inspection.stage_lacks IS 'Of these, what no call has shown.';
COMMENT ON COLUMN copilot.deal_inspection.stage_evidence IS 'Share of these that is shown, 0 to 1; null where the stage asks for nothing.';
COMMENT ON COLUMN copilot.deal_inspection.meddicc_covered IS 'Elements covered on any call, 0 to 1; null without MEDDICC scores.';
