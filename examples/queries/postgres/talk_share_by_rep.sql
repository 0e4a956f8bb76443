-- Talk share of reps, as computed by the vendor and by the pipeline.
SELECT rep_name, count(*) AS calls, avg(rep_talk_share) AS talk_share, avg(vendor_rep_talk_share) AS vendor_talk_share,
  count(vendor_rep_talk_share) AS calls_with_vendor_share
FROM copilot.calls
WHERE has_transcript
GROUP BY rep_name
ORDER BY rep_name;
