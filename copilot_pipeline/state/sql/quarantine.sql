-- name: quarantine
-- Keep bytes that cannot be parsed, once per call and origin.
INSERT INTO copilot_ops.quarantine (call_id, call_date, origin, reason, body, body_hash)
VALUES (%(call_id)s, %(call_date)s, %(origin)s, %(reason)s, %(body)s, %(body_hash)s)
ON CONFLICT (origin, body_hash) DO UPDATE SET reason = excluded.reason, quarantined_at = excluded.quarantined_at;

-- name: count_quarantined
-- Return how many calls of some days are missing or incomplete, because what was received of them cannot be parsed.
WITH quarantined AS (
  SELECT id, call_id, call_date, origin, quarantined_at FROM copilot_ops.quarantine WHERE call_date = ANY(%(days)s)
), incomplete AS (
  SELECT call_id FROM copilot_ops.calls
  WHERE call_date = ANY(%(days)s) AND removed_at IS NULL AND (
    quarantine_reason IS NOT NULL
    -- Found by the call tables, in the details that are stored now.
    OR EXISTS (
      SELECT FROM quarantined
      WHERE quarantined.call_id = calls.call_id AND origin = 'call-details' AND quarantined_at >= fetched_at
    )
  )
), unlisted AS (
  -- Items of the last complete listing.
  SELECT coalesce(call_id, id::text) AS call_id FROM quarantined JOIN copilot_ops.partitions USING (call_date)
  WHERE origin = 'list item' AND quarantined_at >= listed_at
)
SELECT count(*) FROM (
  SELECT call_id FROM incomplete
  UNION SELECT call_id FROM unlisted
  -- Rows that PostgreSQL refused when their day was loaded last.
  UNION SELECT call_id FROM quarantined WHERE origin LIKE 'row of %%'
) AS found;

-- name: delete
-- Remove what was quarantined of some origins and a day; of a null day, what belongs to no day.
DELETE FROM copilot_ops.quarantine WHERE origin = ANY(%(origins)s) AND call_date IS NOT DISTINCT FROM %(day)s;
