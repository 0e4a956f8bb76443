-- name: search
-- Return utterances with some words, newest calls first. The index on words is read once, before the join.
WITH said AS MATERIALIZED (
  SELECT call_id, seq, speaker, side, start_s, text FROM copilot.utterances
  WHERE copilot.says(text, %(words)s)
    -- Not of `call_date` itself: its index of ranges would let the words of all utterances of the days be computed.
    AND call_date - date '2000-01-01'
      BETWEEN %(first)s::date - date '2000-01-01' AND %(last)s::date - date '2000-01-01'
), found AS (
  SELECT started_at, title, rep_name, account_name, deal_name, speaker, side, start_s, text, review_url, call_id, seq
  FROM said JOIN copilot.calls USING (call_id)
  WHERE removed_at IS NULL
    AND (%(rep)s::text IS NULL OR rep_user_id = %(rep)s OR lower(rep_email) = lower(%(rep)s)
      OR strpos(lower(rep_name), lower(%(rep)s)) > 0)
  ORDER BY started_at DESC, call_id, seq LIMIT %(limit)s
)
SELECT started_at, title, rep_name, account_name, deal_name, speaker, side, start_s,
  ts_headline('english', left(text, 20000), websearch_to_tsquery('english', %(words)s),
    'StartSel="", StopSel="", MinWords=20, MaxWords=45') AS said,
  review_url, call_id, seq
FROM found ORDER BY started_at DESC, call_id, seq;

-- name: days_of_calls
-- Return the first and the last day with a call, within some days.
SELECT min(call_date) AS first, max(call_date) AS last FROM copilot.calls
WHERE call_date BETWEEN coalesce(%(first)s, '-infinity'::date) AND coalesce(%(last)s, 'infinity'::date);
