-- name: quarantine
-- Keep bytes that cannot be parsed, once per call and origin.
INSERT INTO copilot_ops.quarantine (call_id, call_date, origin, reason, body, body_hash)
VALUES (%(call_id)s, %(call_date)s, %(origin)s, %(reason)s, %(body)s, %(body_hash)s)
ON CONFLICT (origin, body_hash) DO UPDATE SET reason = excluded.reason;

-- name: count_quarantined
-- Return how many calls of some days lack their newest details because these cannot be parsed.
SELECT count(*) FROM copilot_ops.calls
WHERE call_date = ANY(%(days)s) AND removed_at IS NULL AND (
  quarantine_reason IS NOT NULL
  -- Found by the call tables, in the details that are stored now.
  OR EXISTS (
    SELECT FROM copilot_ops.quarantine AS kept
    WHERE kept.call_id = calls.call_id AND kept.origin = 'call-details' AND kept.quarantined_at >= calls.fetched_at
  )
);
