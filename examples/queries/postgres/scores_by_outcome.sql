-- Mean of each score in won, lost and open deals (yes is 1), with the numbers of deals and calls.
SELECT scores.kit || '.' || scores.brick AS brick, deals.outcome, count(DISTINCT deals.deal_id) AS deals,
  count(*) AS calls, avg(coalesce(scores.value_num, scores.value_bool::int)) AS mean
FROM copilot.deals JOIN copilot.calls USING (deal_id) JOIN copilot.semarize_scores AS scores USING (call_id)
WHERE scores.value_kind IN ('num', 'bool')
GROUP BY scores.kit, scores.brick, deals.outcome
ORDER BY scores.kit COLLATE "C", scores.brick COLLATE "C", deals.outcome;
