-- Without the exposure their numbers are not complete; the next build of the marts fills both again.
DELETE FROM copilot.meddicc_outcomes;
DELETE FROM copilot.claim_accuracy;

ALTER TABLE copilot.meddicc_outcomes ADD COLUMN mean_calls double precision NOT NULL;
COMMENT ON COLUMN copilot.meddicc_outcomes.mean_calls IS 'Mean number of scored calls before the close: the exposure.';
ALTER TABLE copilot.meddicc_outcomes ADD COLUMN difference double precision;
COMMENT ON COLUMN copilot.meddicc_outcomes.difference IS 'Share of lost deals without coverage minus that of won ones, as counted; null for open.';
ALTER TABLE copilot.meddicc_outcomes ADD COLUMN difference_low double precision;
COMMENT ON COLUMN copilot.meddicc_outcomes.difference_low IS 'Lower end of its 95 % interval (Newcombe).';
ALTER TABLE copilot.meddicc_outcomes ADD COLUMN difference_high double precision;
COMMENT ON COLUMN copilot.meddicc_outcomes.difference_high IS 'Upper end of its 95 % interval (Newcombe).';
ALTER TABLE copilot.meddicc_outcomes ADD COLUMN adjusted_n bigint;
COMMENT ON COLUMN copilot.meddicc_outcomes.adjusted_n IS 'Number of won and lost deals that have counterparts with as many scored calls.';
ALTER TABLE copilot.meddicc_outcomes ADD COLUMN adjusted_difference double precision;
COMMENT ON COLUMN copilot.meddicc_outcomes.adjusted_difference IS 'The difference at the same number of scored calls; null for open.';
ALTER TABLE copilot.meddicc_outcomes ADD COLUMN adjusted_low double precision;
COMMENT ON COLUMN copilot.meddicc_outcomes.adjusted_low IS 'Lower end of its 95 % interval.';
ALTER TABLE copilot.meddicc_outcomes ADD COLUMN adjusted_high double precision;
COMMENT ON COLUMN copilot.meddicc_outcomes.adjusted_high IS 'Upper end of its 95 % interval.';
ALTER TABLE copilot.meddicc_outcomes ADD COLUMN adjusted_p_value double precision;
COMMENT ON COLUMN copilot.meddicc_outcomes.adjusted_p_value IS 'P value of the adjusted difference.';
COMMENT ON COLUMN copilot.meddicc_outcomes.p_value IS 'P value of Fisher''s exact test of coverage and won or lost, as counted; null for open.';
ALTER TABLE copilot.claims ADD COLUMN statement text NOT NULL DEFAULT '';
ALTER TABLE copilot.claims ALTER COLUMN statement DROP DEFAULT;
COMMENT ON COLUMN copilot.claims.statement IS 'What the kit itself says of the claim: the value of the brick, or the claim of the item of its list.';
ALTER TABLE copilot.claim_accuracy ADD COLUMN hours double precision NOT NULL;
COMMENT ON COLUMN copilot.claim_accuracy.hours IS 'Hours of the checked calls whose duration is known: the exposure.';
ALTER TABLE copilot.claim_accuracy ADD COLUMN claims_per_hour double precision;
COMMENT ON COLUMN copilot.claim_accuracy.claims_per_hour IS 'Flagged claims per hour of these calls; null without hours.';
ALTER TABLE copilot.claim_accuracy ADD COLUMN claims_per_hour_shrunk double precision;
COMMENT ON COLUMN copilot.claim_accuracy.claims_per_hour_shrunk IS 'The rate shrunk to that of the others of its grain (empirical Bayes); null if no call has a duration.';
ALTER TABLE copilot.claim_accuracy ADD COLUMN claims_per_hour_low double precision;
COMMENT ON COLUMN copilot.claim_accuracy.claims_per_hour_low IS 'Lower end of its 95 % interval.';
ALTER TABLE copilot.claim_accuracy ADD COLUMN claims_per_hour_high double precision;
COMMENT ON COLUMN copilot.claim_accuracy.claims_per_hour_high IS 'Upper end of its 95 % interval.';

CREATE OR REPLACE VIEW copilot.flagged_claims AS
SELECT week, started_at, rep_name, kind, quote, match, speaker, start_s, document, product, reason, review_url, call_id, statement
FROM copilot.claims;
COMMENT ON COLUMN copilot.flagged_claims.statement IS 'What the kit itself says of the claim: the value of the brick, or the claim of the item of its list.';
COMMENT ON COLUMN copilot.uncovered_in_lost_deals.p_value IS 'P value of Fisher''s exact test of coverage and won or lost, as counted; null for open.';
COMMENT ON COLUMN copilot.skills_below_threshold.manager_id IS 'User id of the rep''s manager at the time of the call.';
