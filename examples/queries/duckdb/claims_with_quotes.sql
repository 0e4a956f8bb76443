-- Flagged claims with speaker, quote and place in the recording.
SELECT week, rep_name, kind, quote, match, speaker,
  to_seconds(start_s) AS at, document, review_url
FROM read_parquet('{lake}/claims/*.parquet')
ORDER BY started_at DESC, claim_id;
