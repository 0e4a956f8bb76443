-- What changed about a deal since last Monday: calls with their scores, stage, amount, close date, owner and forecast
-- category, and the alerts that were sent. Replace the id; without that line, the answer is about all deals.
SELECT day, kind, what, before, after, who, scores, review_url
FROM copilot.deal_timeline
WHERE happened_at >= date_trunc('week', now())
  AND deal_id = '006SBX000000001'
ORDER BY happened_at, kind;
