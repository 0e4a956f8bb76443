-- Scores beside their call: one row per call and one column per brick, from the long table.
SELECT calls.account_name, calls.call_id, calls.started_at,
  bool_or(scores.value_bool) FILTER (WHERE scores.brick = 'risk_flag') AS risk_flag,
  max(scores.value_num) FILTER (WHERE scores.brick = 'deal_confidence') AS deal_confidence,
  max(scores.reason) FILTER (WHERE scores.brick = 'risk_flag') AS why
FROM copilot.calls JOIN copilot.semarize_scores AS scores USING (call_id)
WHERE scores.kit = 'deal_signals'
GROUP BY calls.account_name, calls.call_id, calls.started_at
ORDER BY calls.started_at, calls.call_id;
