-- Talk share of reps, as computed by the vendor and by the pipeline.
SELECT rep_name, count(*) AS calls, avg(rep_talk_share) AS ours, avg(vendor_rep_talk_share) AS vendors,
  count(vendor_rep_talk_share) AS calls_the_vendor_counted
FROM read_parquet('{lake}/calls/*/*.parquet', hive_partitioning = true)
WHERE has_transcript
GROUP BY rep_name
ORDER BY rep_name;
