-- Who named which competitor, in which sentence, newest first.
SELECT mentions.started_at, mentions.competitor, mentions.rep_name, calls.account_name, mentions.speaker,
  mentions.side, to_seconds(mentions.start_s) AS at, mentions.sentence, mentions.sentiment,
  calls.review_url
FROM read_parquet('{lake}/competitor_mentions/*/*.parquet', hive_partitioning = true) AS mentions
JOIN read_parquet('{lake}/calls/*/*.parquet', hive_partitioning = true) AS calls USING (call_id)
WHERE calls.removed_at IS NULL
ORDER BY mentions.started_at DESC, mentions.call_id, mentions.position;
