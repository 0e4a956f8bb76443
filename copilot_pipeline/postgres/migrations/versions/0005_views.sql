CREATE VIEW copilot.uncovered_in_lost_deals AS
SELECT element, n AS lost_deals, uncovered, share, share_low, share_high, p_value, sentence
FROM copilot.meddicc_outcomes WHERE outcome = 'lost';
COMMENT ON VIEW copilot.uncovered_in_lost_deals IS 'Which MEDDICC elements were never covered in the deals we lost? With n and interval.';

CREATE VIEW copilot.reps_in_a_slide AS
SELECT rep_id, rep_name, skill, latest, threshold, calls, first_call_at, detected_at, calls_since_training,
  manager_id, manager_name, manager_email, first_call_id, detected_call_id
FROM copilot.coaching_slides WHERE NOT is_over;
COMMENT ON VIEW copilot.reps_in_a_slide IS 'Whose skill is below its threshold on consecutive calls right now, and who is to be told?';

CREATE VIEW copilot.weekly_accuracy AS
SELECT grain_id::date AS week, n AS calls_checked, accurate, share, share_low, share_high, claims, inaccurate,
  roadmap_leaks, outdated_competitive, quotes_not_found
FROM copilot.claim_accuracy WHERE grain = 'week';
COMMENT ON VIEW copilot.weekly_accuracy IS 'How accurate are our claims, week by week?';

CREATE VIEW copilot.flagged_claims AS
SELECT week, started_at, rep_name, kind, quote, match, speaker, start_s, document, product, reason, review_url, call_id
FROM copilot.claims;
COMMENT ON VIEW copilot.flagged_claims IS 'What was claimed, by whom, when, in which words, and against which document?';

CREATE VIEW copilot.message_lag AS
SELECT message, changed_on, lag_days, first_call_id, n AS calls_since, calls_using, share, share_low, share_high, still_old
FROM copilot.message_adoption WHERE rep_id = 'all';
COMMENT ON VIEW copilot.message_lag IS 'How long did it take from a change of messaging to its use on calls?';

CREATE VIEW copilot.win_drivers AS
SELECT condition, sentence, won, support, win_rate, win_rate_low, win_rate_high, base_rate, lift, q_value
FROM copilot.win_loss_drivers WHERE is_significant AND direction = 'wins';
COMMENT ON VIEW copilot.win_drivers IS 'What, said on calls, goes with winning, after correction for everything that was tested?';

CREATE VIEW copilot.deals_at_risk AS
SELECT deal_id, deal_name, account_name, amount, stage, days_since_last_call, risks, risk_flags, stage_lacks,
  stage_evidence, people, owner_name, last_call_url
FROM copilot.deal_inspection WHERE risks > 0;
COMMENT ON VIEW copilot.deals_at_risk IS 'Which open deals are at risk, and why?';
