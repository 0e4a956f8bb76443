-- The rows are of the former definition; the next build of the marts replaces them.
DELETE FROM copilot.coaching_scores;
DELETE FROM copilot.coaching_regressions;

ALTER TABLE copilot.coaching_scores ADD COLUMN below_threshold boolean NOT NULL;
COMMENT ON COLUMN copilot.coaching_scores.below_threshold IS 'Whether this call and those before it are below the threshold: `consecutive_calls` in succession.';
ALTER TABLE copilot.coaching_scores ADD COLUMN run_chance double precision;
COMMENT ON COLUMN copilot.coaching_scores.run_chance IS 'Chance of `calls_below` calls in a row below the threshold, at the share of the rep''s own calls that were below it before; null unless below_threshold, and without earlier calls.';
ALTER TABLE copilot.coaching_scores ADD COLUMN earlier_calls bigint;
COMMENT ON COLUMN copilot.coaching_scores.earlier_calls IS 'Number of earlier calls that a regression was compared with.';
ALTER TABLE copilot.coaching_scores ADD COLUMN earlier_mean double precision;
COMMENT ON COLUMN copilot.coaching_scores.earlier_mean IS 'Mean score of these calls.';
ALTER TABLE copilot.coaching_scores ADD COLUMN drop double precision;
COMMENT ON COLUMN copilot.coaching_scores.drop IS 'earlier_mean minus the mean of the regression up to this call.';
ALTER TABLE copilot.coaching_scores ADD COLUMN drop_p_value double precision;
COMMENT ON COLUMN copilot.coaching_scores.drop_p_value IS 'P value of the drop when it was detected (Mann-Whitney, one-sided).';
ALTER TABLE copilot.coaching_scores ADD COLUMN kit text NOT NULL;
COMMENT ON COLUMN copilot.coaching_scores.kit IS 'Name of the kit in pipeline.yaml.';
ALTER TABLE copilot.coaching_scores ADD COLUMN brick text NOT NULL;
COMMENT ON COLUMN copilot.coaching_scores.brick IS 'Brick that measures the skill.';
COMMENT ON COLUMN copilot.coaching_scores.regression_detected IS 'Whether the call is below_threshold, and the newest calls are lower than the rep''s own earlier ones.';
COMMENT ON COLUMN copilot.coaching_scores.regression_first_call_id IS 'First call of the regression; null outside of a regression.';
COMMENT ON TABLE copilot.coaching_scores IS 'One row per rep, skill and call: score, trend, calls below the threshold, and regression.';
ALTER TABLE copilot.coaching_regressions ADD COLUMN earlier_calls bigint NOT NULL;
COMMENT ON COLUMN copilot.coaching_regressions.earlier_calls IS 'Number of the rep''s earlier calls that it was compared with.';
ALTER TABLE copilot.coaching_regressions ADD COLUMN earlier_mean double precision NOT NULL;
COMMENT ON COLUMN copilot.coaching_regressions.earlier_mean IS 'Mean score of these calls: the rep''s own level.';
ALTER TABLE copilot.coaching_regressions ADD COLUMN mean double precision NOT NULL;
COMMENT ON COLUMN copilot.coaching_regressions.mean IS 'Mean score of the regression.';
ALTER TABLE copilot.coaching_regressions ADD COLUMN drop double precision NOT NULL;
COMMENT ON COLUMN copilot.coaching_regressions.drop IS 'earlier_mean minus mean.';
ALTER TABLE copilot.coaching_regressions ADD COLUMN drop_p_value double precision NOT NULL;
COMMENT ON COLUMN copilot.coaching_regressions.drop_p_value IS 'P value of the drop (Mann-Whitney, one-sided, exact).';
ALTER TABLE copilot.coaching_regressions ADD COLUMN run_chance double precision;
COMMENT ON COLUMN copilot.coaching_regressions.run_chance IS 'Chance of as many calls in a row below the threshold at the rep''s own level, when it was detected.';
COMMENT ON COLUMN copilot.coaching_regressions.calls IS 'Number of consecutive calls of the regression so far.';
COMMENT ON COLUMN copilot.coaching_regressions.is_over IS 'Whether the skill has recovered to its threshold or the rep''s own level.';
COMMENT ON TABLE copilot.coaching_regressions IS 'One row per regression: a skill below its threshold on consecutive calls, and lower than the rep''s own earlier calls. The manager gets one digest a week.';

CREATE OR REPLACE VIEW copilot.reps_in_regression AS
SELECT rep_id, rep_name, skill, latest, threshold, calls, first_call_at, detected_at, calls_since_training, manager_id, manager_name, manager_email, first_call_id, detected_call_id, earlier_mean, mean, drop, earlier_calls, drop_p_value, run_chance
FROM copilot.coaching_regressions
WHERE NOT is_over;
COMMENT ON VIEW copilot.reps_in_regression IS 'Present regressions: a skill below its threshold and lower than the rep''s own earlier calls, and the manager.';
COMMENT ON COLUMN copilot.reps_in_regression.rep_id IS 'The rep: user id, else e-mail address in lower case.';
COMMENT ON COLUMN copilot.reps_in_regression.rep_name IS 'Name of the rep.';
COMMENT ON COLUMN copilot.reps_in_regression.skill IS 'Skill: its name in the settings, by default the brick.';
COMMENT ON COLUMN copilot.reps_in_regression.latest IS 'Newest score of the regression.';
COMMENT ON COLUMN copilot.reps_in_regression.threshold IS 'Threshold.';
COMMENT ON COLUMN copilot.reps_in_regression.calls IS 'Number of consecutive calls of the regression so far.';
COMMENT ON COLUMN copilot.reps_in_regression.first_call_at IS 'Start time of the first call.';
COMMENT ON COLUMN copilot.reps_in_regression.detected_at IS 'Start time of that call.';
COMMENT ON COLUMN copilot.reps_in_regression.calls_since_training IS 'Number of calls from the newest training to the detection; null without a training.';
COMMENT ON COLUMN copilot.reps_in_regression.manager_id IS 'User id of the manager who receives the alert.';
COMMENT ON COLUMN copilot.reps_in_regression.manager_name IS 'Name of the manager.';
COMMENT ON COLUMN copilot.reps_in_regression.manager_email IS 'E-mail of the manager.';
COMMENT ON COLUMN copilot.reps_in_regression.first_call_id IS 'First call of the regression.';
COMMENT ON COLUMN copilot.reps_in_regression.detected_call_id IS 'Call on which the regression was detected.';
COMMENT ON COLUMN copilot.reps_in_regression.earlier_mean IS 'Mean score of these calls: the rep''s own level.';
COMMENT ON COLUMN copilot.reps_in_regression.mean IS 'Mean score of the regression.';
COMMENT ON COLUMN copilot.reps_in_regression.drop IS 'earlier_mean minus mean.';
COMMENT ON COLUMN copilot.reps_in_regression.earlier_calls IS 'Number of the rep''s earlier calls that it was compared with.';
COMMENT ON COLUMN copilot.reps_in_regression.drop_p_value IS 'P value of the drop (Mann-Whitney, one-sided, exact).';
COMMENT ON COLUMN copilot.reps_in_regression.run_chance IS 'Chance of as many calls in a row below the threshold at the rep''s own level, when it was detected.';

CREATE VIEW copilot.skills_below_threshold AS
SELECT rep_id, rep_name, skill, score, threshold, calls_below, run_chance, regression_detected, started_at, manager_id, call_id, review_url
FROM (
  SELECT DISTINCT ON (rep_id, skill) * FROM copilot.coaching_scores ORDER BY rep_id, skill, call_number DESC
) AS newest
WHERE below_threshold;
COMMENT ON VIEW copilot.skills_below_threshold IS 'Skills of reps that are below their threshold now, whether they dropped or always were.';
COMMENT ON COLUMN copilot.skills_below_threshold.rep_id IS 'The rep: user id, else e-mail address in lower case.';
COMMENT ON COLUMN copilot.skills_below_threshold.rep_name IS 'Name of the rep.';
COMMENT ON COLUMN copilot.skills_below_threshold.skill IS 'Skill: its name in the settings, by default the brick.';
COMMENT ON COLUMN copilot.skills_below_threshold.score IS 'Score.';
COMMENT ON COLUMN copilot.skills_below_threshold.threshold IS 'Threshold that applied to the call.';
COMMENT ON COLUMN copilot.skills_below_threshold.calls_below IS 'Number of consecutive calls below the threshold, this one included.';
COMMENT ON COLUMN copilot.skills_below_threshold.run_chance IS 'Chance of `calls_below` calls in a row below the threshold, at the share of the rep''s own calls that were below it before; null unless below_threshold, and without earlier calls.';
COMMENT ON COLUMN copilot.skills_below_threshold.regression_detected IS 'Whether the call is below_threshold, and the newest calls are lower than the rep''s own earlier ones.';
COMMENT ON COLUMN copilot.skills_below_threshold.started_at IS 'Start time of the call.';
COMMENT ON COLUMN copilot.skills_below_threshold.manager_id IS 'User id of the rep''s manager.';
COMMENT ON COLUMN copilot.skills_below_threshold.call_id IS 'Call id of Clari Copilot.';
COMMENT ON COLUMN copilot.skills_below_threshold.review_url IS 'Page of the call in Clari Copilot.';
