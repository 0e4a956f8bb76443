ALTER TABLE copilot.evidence ADD COLUMN person_id text;
UPDATE copilot.evidence AS evidence SET person_id = utterances.person_id
FROM copilot.utterances AS utterances
WHERE utterances.call_id = evidence.call_id AND utterances.seq = evidence.seq AND evidence.seq IS NOT NULL;

COMMENT ON COLUMN copilot.evidence.person_id IS 'Person id of the speaker: the `person_id` of `participants` on this call.';
COMMENT ON COLUMN copilot.meddicc_coverage.rep_id IS 'The rep: user id, else e-mail address in lower case; null if unknown.';
COMMENT ON COLUMN copilot.coaching_scores.rep_id IS 'The rep: user id, else e-mail address in lower case.';
COMMENT ON COLUMN copilot.coaching_regressions.rep_id IS 'The rep: user id, else e-mail address in lower case.';
COMMENT ON COLUMN copilot.claims.rep_id IS 'The rep who made the claim, else the rep of the call: user id, else e-mail address in lower case.';
COMMENT ON COLUMN copilot.reps_in_regression.rep_id IS 'The rep: user id, else e-mail address in lower case.';
