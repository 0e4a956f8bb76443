ALTER TABLE copilot_ops.semarize_runs ADD COLUMN next_look_at timestamptz;
COMMENT ON COLUMN copilot_ops.semarize_runs.next_look_at IS 'When a run that was given up on is looked at again by itself.';
ALTER TABLE copilot_ops.former_runs ADD COLUMN next_look_at timestamptz;

CREATE INDEX inbox_runs ON copilot_ops.inbox (subject) WHERE kind = 'run';

CREATE OR REPLACE VIEW copilot.calls_without_scores AS
SELECT runs.call_id, runs.call_date, runs.kit, runs.status, runs.error_code,
  coalesce(runs.error_message, CASE runs.status WHEN 'succeeded' THEN 'the answer has no bricks'
    ELSE 'Semarize has not finished it yet' END) AS why,
  runs.run_id, runs.requested_at, calls.title, calls.review_url
FROM copilot.semarize_runs AS runs JOIN copilot.calls USING (call_id)
WHERE runs.status <> 'succeeded' OR runs.bricks = 0
UNION ALL
SELECT calls.call_id, calls.call_date, NULL, calls.status, NULL,
  CASE calls.status WHEN 'ready' THEN 'the vendor says it is ready and there is no transcript'
    WHEN 'pending' THEN 'the vendor is still working on it' WHEN 'no_content' THEN 'nothing was recorded'
    WHEN 'failed' THEN 'the vendor failed to process it' ELSE 'its status is not known' END,
  NULL, NULL, calls.title, calls.review_url
FROM copilot.calls WHERE NOT has_transcript;
