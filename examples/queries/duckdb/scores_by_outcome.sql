-- Mean of each score in won, lost and open deals (yes is 1), with the numbers of deals and calls.
SELECT scores.kit || '.' || scores.brick AS brick, deals.outcome, count(DISTINCT deals.deal_id) AS deals,
  count(*) AS calls, avg(coalesce(scores.value_num, scores.value_bool::int)) AS mean
FROM read_parquet('{lake}/deals/*.parquet') AS deals
JOIN read_parquet('{lake}/calls/*/*.parquet', hive_partitioning = true) AS calls USING (deal_id)
JOIN read_parquet('{lake}/semarize_scores/*/*.parquet', hive_partitioning = true) AS scores USING (call_id)
WHERE scores.value_kind IN ('num', 'bool')
GROUP BY scores.kit, scores.brick, deals.outcome
ORDER BY scores.kit, scores.brick, deals.outcome;
