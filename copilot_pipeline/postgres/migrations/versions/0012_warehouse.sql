ALTER TABLE copilot.calls RENAME COLUMN gone_at TO removed_at;
ALTER TABLE copilot.coaching_scores RENAME COLUMN slide_first_call_id TO regression_first_call_id;
ALTER TABLE copilot.coaching_slides RENAME TO coaching_regressions;
ALTER VIEW copilot.reps_in_a_slide RENAME TO reps_in_regression;
