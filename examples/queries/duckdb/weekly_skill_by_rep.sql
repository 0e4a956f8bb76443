-- Skills of each rep by week, with the number of calls.
SELECT rep_name, skill, week, avg(score) AS mean_score, count(*) AS calls, bool_or(regression_detected) AS regression
FROM read_parquet('{lake}/coaching_scores/*.parquet')
GROUP BY rep_name, rep_id, skill, week
ORDER BY rep_id, skill, week;
