-- Each rep's own share of the speech, beside the share of all own speakers on the same calls together.
SELECT own.rep_id, own.rep_name, count(own.talk_share) AS n, avg(own.talk_share) AS talk_share,
  avg(calls.rep_talk_share) AS all_own_speakers_share,
  sum(CASE WHEN own.own_speakers > 1 THEN 1 ELSE 0 END) AS calls_with_other_own_speakers
FROM read_parquet('{lake}/rep_calls/*.parquet') AS own
  JOIN read_parquet('{lake}/calls/*/*.parquet', hive_partitioning = true) AS calls USING (call_id)
GROUP BY own.rep_id, own.rep_name
ORDER BY own.rep_id;
