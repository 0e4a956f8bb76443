ALTER TABLE copilot.deals ADD COLUMN outcome text NOT NULL DEFAULT 'open';
ALTER TABLE copilot.deals ALTER COLUMN outcome DROP DEFAULT;
-- Made anew every day: begun anew, with a column more.
DROP TABLE copilot.meddicc_coverage;
CREATE TABLE copilot.meddicc_coverage (
  call_id text COLLATE "C" NOT NULL,
  element text COLLATE "C" NOT NULL,
  call_date date NOT NULL,
  week date NOT NULL,
  started_at timestamptz NOT NULL,
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
COMMENT ON COLUMN copilot.meddicc_coverage.started_at IS 'When the call was.';
COMMENT ON COLUMN copilot.meddicc_coverage.deal_id IS 'Deal of the call.';
COMMENT ON COLUMN copilot.meddicc_coverage.rep_id IS 'The rep: user id, else e-mail, else name; null where nobody is known.';
COMMENT ON COLUMN copilot.meddicc_coverage.rep_name IS 'The rep''s name.';
COMMENT ON COLUMN copilot.meddicc_coverage.manager_id IS 'User id of the rep''s manager as of today: the team.';
COMMENT ON COLUMN copilot.meddicc_coverage.kit IS 'Our name of the kit that answered.';
COMMENT ON COLUMN copilot.meddicc_coverage.brick IS 'The brick that plays this part.';
COMMENT ON COLUMN copilot.meddicc_coverage.kit_version_id IS 'The kit version that answered.';
COMMENT ON COLUMN copilot.meddicc_coverage.is_covered IS 'Covered; false where the kit found nothing to answer.';
COMMENT ON COLUMN copilot.meddicc_coverage.is_answered IS 'The brick has a value; without one the element counts as not covered.';
COMMENT ON COLUMN copilot.meddicc_coverage.level IS 'How well: the value as a share of its scale, 0 to 1; null without a value.';
COMMENT ON COLUMN copilot.meddicc_coverage.confidence IS 'Semarize''s confidence, 0 to 1.';
COMMENT ON COLUMN copilot.meddicc_coverage.evidence IS 'The first quote.';
COMMENT ON COLUMN copilot.meddicc_coverage.review_url IS 'The call''s page in Clari Copilot.';
COMMENT ON COLUMN copilot.deals.outcome IS 'won, lost or open: what the stage means by the setting `answers.outcomes`.';
COMMENT ON COLUMN copilot.meddicc_outcomes.n IS 'Deals with that outcome and a scored call before they ended.';
COMMENT ON COLUMN copilot.claims.claim_id IS 'Made of call, kind, kit, brick and position.';
COMMENT ON COLUMN copilot.claims.rep_id IS 'Who said it of our people, else who held the call: user id, else e-mail, else name.';
COMMENT ON COLUMN copilot.claims.manager_id IS 'User id of the rep''s manager as of today: the team.';
COMMENT ON TABLE copilot.claim_accuracy IS 'Accuracy by rep, product, week and in all: the share of checked calls without a flagged claim. For a rep: of the calls that the rep held or spoke on, those without a claim of the rep''s own.';
COMMENT ON COLUMN copilot.win_loss_drivers.q_value IS 'The same times the cuts tried, after Benjamini and Hochberg over all tested of its size, times the sizes.';
COMMENT ON COLUMN copilot.uncovered_in_lost_deals.element IS 'The MEDDICC element.';
COMMENT ON COLUMN copilot.uncovered_in_lost_deals.lost_deals IS 'Lost deals with a scored call before they ended.';
COMMENT ON COLUMN copilot.uncovered_in_lost_deals.uncovered IS 'Of these, deals with no call that covered the element.';
COMMENT ON COLUMN copilot.uncovered_in_lost_deals.share IS 'Share of deals without coverage, 0 to 1; null where n is 0.';
COMMENT ON COLUMN copilot.uncovered_in_lost_deals.share_low IS 'Lower end of its 95 % interval (Wilson).';
COMMENT ON COLUMN copilot.uncovered_in_lost_deals.share_high IS 'Upper end of its 95 % interval (Wilson).';
COMMENT ON COLUMN copilot.uncovered_in_lost_deals.p_value IS 'Fisher''s exact test of coverage against won or lost; null for open.';
COMMENT ON COLUMN copilot.uncovered_in_lost_deals.sentence IS 'The same in words.';
COMMENT ON COLUMN copilot.reps_in_a_slide.rep_id IS 'The rep.';
COMMENT ON COLUMN copilot.reps_in_a_slide.rep_name IS 'The rep''s name.';
COMMENT ON COLUMN copilot.reps_in_a_slide.skill IS 'The skill.';
COMMENT ON COLUMN copilot.reps_in_a_slide.latest IS 'The newest score of the slide.';
COMMENT ON COLUMN copilot.reps_in_a_slide.threshold IS 'The threshold.';
COMMENT ON COLUMN copilot.reps_in_a_slide.calls IS 'Calls below in a row, so far.';
COMMENT ON COLUMN copilot.reps_in_a_slide.first_call_at IS 'When the slide began.';
COMMENT ON COLUMN copilot.reps_in_a_slide.detected_at IS 'When that call was.';
COMMENT ON COLUMN copilot.reps_in_a_slide.calls_since_training IS 'Calls since the newest training, at detection; null without one.';
COMMENT ON COLUMN copilot.reps_in_a_slide.manager_id IS 'User id of the manager who is told.';
COMMENT ON COLUMN copilot.reps_in_a_slide.manager_name IS 'The manager''s name.';
COMMENT ON COLUMN copilot.reps_in_a_slide.manager_email IS 'The manager''s e-mail.';
COMMENT ON COLUMN copilot.reps_in_a_slide.first_call_id IS 'The first call of the slide.';
COMMENT ON COLUMN copilot.reps_in_a_slide.detected_call_id IS 'The call on which it was detected.';
COMMENT ON COLUMN copilot.weekly_accuracy.week IS 'Monday of the week.';
COMMENT ON COLUMN copilot.weekly_accuracy.calls_checked IS 'Calls that were checked.';
COMMENT ON COLUMN copilot.weekly_accuracy.accurate IS 'Of these, calls without a flagged claim.';
COMMENT ON COLUMN copilot.weekly_accuracy.share IS 'Share of calls without a flagged claim, 0 to 1; null where n is 0.';
COMMENT ON COLUMN copilot.weekly_accuracy.share_low IS 'Lower end of its 95 % interval (Wilson).';
COMMENT ON COLUMN copilot.weekly_accuracy.share_high IS 'Upper end of its 95 % interval (Wilson).';
COMMENT ON COLUMN copilot.weekly_accuracy.claims IS 'Flagged claims.';
COMMENT ON COLUMN copilot.weekly_accuracy.inaccurate IS 'Of these, inaccurate product claims.';
COMMENT ON COLUMN copilot.weekly_accuracy.roadmap_leaks IS 'Of these, roadmap leaks.';
COMMENT ON COLUMN copilot.weekly_accuracy.outdated_competitive IS 'Of these, outdated competitive statements.';
COMMENT ON COLUMN copilot.weekly_accuracy.quotes_not_found IS 'Of these, claims whose quote is not in the transcript.';
COMMENT ON COLUMN copilot.flagged_claims.week IS 'Monday of the call''s week.';
COMMENT ON COLUMN copilot.flagged_claims.started_at IS 'When the call was.';
COMMENT ON COLUMN copilot.flagged_claims.rep_name IS 'The rep''s name.';
COMMENT ON COLUMN copilot.flagged_claims.kind IS 'inaccurate, roadmap_leak, outdated_competitive, or another kind of the settings.';
COMMENT ON COLUMN copilot.flagged_claims.quote IS 'The quote, as the kit gave it; null where it gave none.';
COMMENT ON COLUMN copilot.flagged_claims.match IS 'exact, normalized, fuzzy or not found; no quote where there is none.';
COMMENT ON COLUMN copilot.flagged_claims.speaker IS 'Who said it.';
COMMENT ON COLUMN copilot.flagged_claims.start_s IS 'Seconds from the start of the call.';
COMMENT ON COLUMN copilot.flagged_claims.document IS 'The source document it contradicts, where one is named.';
COMMENT ON COLUMN copilot.flagged_claims.product IS 'The product it is about, where one is named.';
COMMENT ON COLUMN copilot.flagged_claims.reason IS 'The kit''s reason.';
COMMENT ON COLUMN copilot.flagged_claims.review_url IS 'The call''s page in Clari Copilot.';
COMMENT ON COLUMN copilot.flagged_claims.call_id IS 'Clari Copilot''s id of the call.';
COMMENT ON COLUMN copilot.message_lag.message IS 'Name of the change.';
COMMENT ON COLUMN copilot.message_lag.changed_on IS 'When the message changed.';
COMMENT ON COLUMN copilot.message_lag.lag_days IS 'Days from the change to that call; null while nobody uses it.';
COMMENT ON COLUMN copilot.message_lag.first_call_id IS 'First call that uses it.';
COMMENT ON COLUMN copilot.message_lag.calls_since IS 'Calls since then.';
COMMENT ON COLUMN copilot.message_lag.calls_using IS 'Of these, calls that use the new message.';
COMMENT ON COLUMN copilot.message_lag.share IS 'Share of calls that use it, 0 to 1; null where n is 0.';
COMMENT ON COLUMN copilot.message_lag.share_low IS 'Lower end of its 95 % interval (Wilson).';
COMMENT ON COLUMN copilot.message_lag.share_high IS 'Upper end of its 95 % interval (Wilson).';
COMMENT ON COLUMN copilot.message_lag.still_old IS 'Calls since the change that still use the old message.';
COMMENT ON COLUMN copilot.win_drivers.condition IS 'In words: `budget_confirmed and discovery_depth > 65`.';
COMMENT ON COLUMN copilot.win_drivers.sentence IS 'One line that says it.';
COMMENT ON COLUMN copilot.win_drivers.won IS 'Of these, won.';
COMMENT ON COLUMN copilot.win_drivers.support IS 'Of these, deals for which it holds.';
COMMENT ON COLUMN copilot.win_drivers.win_rate IS 'won / support.';
COMMENT ON COLUMN copilot.win_drivers.win_rate_low IS 'Lower end of its 95 % interval (Wilson).';
COMMENT ON COLUMN copilot.win_drivers.win_rate_high IS 'Upper end of its 95 % interval (Wilson).';
COMMENT ON COLUMN copilot.win_drivers.base_rate IS 'Share won among the n deals.';
COMMENT ON COLUMN copilot.win_drivers.lift IS 'win_rate / base_rate; null where nothing was won.';
COMMENT ON COLUMN copilot.win_drivers.q_value IS 'The same times the cuts tried, after Benjamini and Hochberg over all tested of its size, times the sizes.';
COMMENT ON COLUMN copilot.deals_at_risk.deal_id IS 'The deal.';
COMMENT ON COLUMN copilot.deals_at_risk.deal_name IS 'Its name.';
COMMENT ON COLUMN copilot.deals_at_risk.account_name IS 'Account name.';
COMMENT ON COLUMN copilot.deals_at_risk.amount IS 'Amount.';
COMMENT ON COLUMN copilot.deals_at_risk.stage IS 'Stage.';
COMMENT ON COLUMN copilot.deals_at_risk.days_since_last_call IS 'Days since then; null without calls.';
COMMENT ON COLUMN copilot.deals_at_risk.risks IS 'How many.';
COMMENT ON COLUMN copilot.deals_at_risk.risk_flags IS 'What is wrong, in words.';
COMMENT ON COLUMN copilot.deals_at_risk.stage_lacks IS 'Of these, what no call has shown.';
COMMENT ON COLUMN copilot.deals_at_risk.stage_evidence IS 'Share of these that is shown, 0 to 1; null where the stage asks for nothing.';
COMMENT ON COLUMN copilot.deals_at_risk.people IS 'Prospects who were on any of its calls.';
COMMENT ON COLUMN copilot.deals_at_risk.owner_name IS 'The rep of the newest call.';
COMMENT ON COLUMN copilot.deals_at_risk.last_call_url IS 'Its page in Clari Copilot.';
COMMENT ON COLUMN copilot.scored_transcripts.transcript_hash IS 'SHA-256 of the text: what scoring is keyed on.';
COMMENT ON COLUMN copilot.scored_transcripts.call_id IS 'Clari Copilot''s id of the call.';
COMMENT ON COLUMN copilot.scored_transcripts.text IS 'The text, as it was scored.';
COMMENT ON COLUMN copilot.scored_transcripts.is_current IS 'It is the call''s text of today.';
COMMENT ON COLUMN copilot.calls_without_scores.call_id IS 'Clari Copilot''s id of the call.';
COMMENT ON COLUMN copilot.calls_without_scores.call_date IS 'The partition: the day of the call''s time.';
COMMENT ON COLUMN copilot.calls_without_scores.kit IS 'Our name of the kit; null where there is nothing to score yet.';
COMMENT ON COLUMN copilot.calls_without_scores.status IS 'Status of the Semarize run; without a transcript, of the call.';
COMMENT ON COLUMN copilot.calls_without_scores.error_code IS 'Semarize''s machine code where it failed.';
COMMENT ON COLUMN copilot.calls_without_scores.why IS 'Why there is no score.';
COMMENT ON COLUMN copilot.calls_without_scores.run_id IS 'Semarize''s run id.';
COMMENT ON COLUMN copilot.calls_without_scores.requested_at IS 'When the run was asked for.';
COMMENT ON COLUMN copilot.calls_without_scores.title IS 'Title of the call.';
COMMENT ON COLUMN copilot.calls_without_scores.review_url IS 'The call''s page in Clari Copilot.';
COMMENT ON COLUMN copilot.kit_versions.kit IS 'Our name of the kit.';
COMMENT ON COLUMN copilot.kit_versions.kit_version_id IS 'The kit version that answered.';
COMMENT ON COLUMN copilot.kit_versions.brick IS 'The brick''s key.';
COMMENT ON COLUMN copilot.kit_versions.value_kinds IS 'Kinds of its answers: bool, num, text or json.';
COMMENT ON COLUMN copilot.kit_versions.calls IS 'Calls with an answer, null included.';
COMMENT ON COLUMN copilot.kit_versions.first_day IS 'The first day of these calls.';
COMMENT ON COLUMN copilot.kit_versions.last_day IS 'The last day of these calls.';
