-- Every call where pricing was discussed, with each sentence, its speaker and its place in the recording.
SELECT mentions.started_at, calls.title, mentions.rep_name, calls.account_name, calls.deal_name, mentions.speaker,
  mentions.side, to_seconds(mentions.start_s) AS at, mentions.sentence, calls.review_url
FROM read_parquet('{lake}/topic_mentions/*/*.parquet', hive_partitioning = true) AS mentions
JOIN read_parquet('{lake}/calls/*/*.parquet', hive_partitioning = true) AS calls USING (call_id)
WHERE lower(mentions.topic) = 'pricing' AND calls.removed_at IS NULL
ORDER BY mentions.started_at DESC, mentions.call_id, mentions.position;
