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

CREATE TABLE copilot_ops.snapshots (
  name text PRIMARY KEY,
  loaded_at timestamptz NOT NULL,
  deals_as_of timestamptz,
  users_as_of timestamptz
);
COMMENT ON TABLE copilot_ops.snapshots IS 'When each unpartitioned table was last replaced.';
COMMENT ON COLUMN copilot_ops.snapshots.name IS 'Name of the table.';
COMMENT ON COLUMN copilot_ops.snapshots.loaded_at IS 'Time when the table was replaced.';
COMMENT ON COLUMN copilot_ops.snapshots.deals_as_of IS 'Time at which `deals` had been replaced by then.';
COMMENT ON COLUMN copilot_ops.snapshots.users_as_of IS 'Time at which `users` had been replaced by then.';

CREATE VIEW copilot.marts_as_of AS
SELECT name AS mart, loaded_at AS built_at, deals_as_of, users_as_of
FROM copilot_ops.snapshots
WHERE name NOT IN ('users', 'topics', 'scorecards', 'deals', 'accounts');
COMMENT ON VIEW copilot.marts_as_of IS 'When each mart was built, and how old the deals and users were that it was built from.';
COMMENT ON COLUMN copilot.marts_as_of.mart IS 'Name of the table.';
COMMENT ON COLUMN copilot.marts_as_of.built_at IS 'Time when the mart was built.';
COMMENT ON COLUMN copilot.marts_as_of.deals_as_of IS 'Time when the deals were built that the mart was built from.';
COMMENT ON COLUMN copilot.marts_as_of.users_as_of IS 'Time when the users were read that the mart was built from.';
