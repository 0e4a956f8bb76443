-- Flagged claims with speaker, quote and place in the recording.
SELECT week, rep_name, kind, quote, match, speaker,
  make_interval(secs => start_s) AS at, document, review_url
FROM copilot.claims
ORDER BY started_at DESC, claim_id;
