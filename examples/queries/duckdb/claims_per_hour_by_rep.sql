-- Claims per call hour by rep; the shrunk rate keeps reps with few calls from leading the list.
SELECT grain_id AS rep_id, grain_name AS rep_name, claims, n, hours, claims_per_hour, claims_per_hour_shrunk,
  claims_per_hour_low, claims_per_hour_high
FROM read_parquet('{lake}/claim_accuracy/*.parquet')
WHERE grain = 'rep'
ORDER BY claims_per_hour_shrunk DESC NULLS LAST, grain_id;
