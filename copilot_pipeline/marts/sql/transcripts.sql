-- name: utterances
-- The utterances of a call, in order.
SELECT seq, speaker, side, start_s, text, person_id
FROM copilot.utterances
WHERE call_id = %(call_id)s
ORDER BY seq;

-- name: rep_words
-- Which of some phrases the reps said on the calls of some days, and everything that they said on a call if a phrase may be
-- spread over several utterances. Case and apostrophes are ignored. Texts with other letters than ASCII are not compared here.
-- LIKE, which finds a phrase with single spaces, takes a tenth of the time of a regular expression.
WITH calls AS MATERIALIZED (
  SELECT call_date, call_id FROM copilot.utterances
  WHERE call_date BETWEEN %(first)s AND %(last)s AND side = 'rep' GROUP BY call_date, call_id
), found AS (
  SELECT call_id, phrase, CASE
      WHEN NOT is_ascii THEN 1 WHEN plain LIKE plainly OR plain ~ within THEN 2 WHEN plain ~ at_edge THEN 1 ELSE 0
    END AS found  -- 2: said, 1: may be
  FROM (
    SELECT call_id, ' ' || lower(replace(text, '''', '') COLLATE "C") || ' ' AS plain,
      octet_length(text) = length(text) AS is_ascii
    FROM copilot.utterances WHERE call_date BETWEEN %(first)s AND %(last)s AND side = 'rep'
    OFFSET 0
  ) AS utterances
  JOIN unnest(%(texts)s::text[], %(words)s::text[], %(plainly)s::text[], %(within)s::text[], %(at_edge)s::text[])
    AS phrases (phrase, word, plainly, within, at_edge) ON NOT is_ascii OR plain LIKE word
  OFFSET 0
), phrases AS (
  SELECT call_id, phrase, max(found) AS found FROM found WHERE found > 0 GROUP BY call_id, phrase
)
SELECT call_id, CASE WHEN bool_or(found = 1) THEN (
    SELECT string_agg(text, E'\n' ORDER BY seq) FROM copilot.utterances AS stored
    WHERE stored.call_id = calls.call_id AND stored.call_date = calls.call_date AND side = 'rep'
  ) ELSE coalesce(string_agg(phrase, E'\n') FILTER (WHERE found = 2), '') END AS words
FROM calls LEFT JOIN phrases USING (call_id) GROUP BY call_date, call_id ORDER BY call_date, call_id;

-- name: speech
-- What the workspace's own people said on the calls of some days that were held.
SELECT calls.call_id, calls.call_date, calls.started_at, calls.deal_id, calls.review_url, calls.rep_user_id,
  calls.rep_email, calls.rep_name, people.user_id, people.email, people.name, people.talk_seconds, people.talk_share,
  people.utterances, people.words
FROM copilot.calls AS calls
  JOIN copilot.participants AS people ON people.call_id = calls.call_id AND people.call_date = calls.call_date
WHERE calls.call_date BETWEEN %(first)s AND %(last)s AND calls.removed_at IS NULL
  AND calls.status IN ('ready', 'pending') AND calls.started_at <= now()
  AND people.side = 'rep' AND people.utterances > 0
ORDER BY calls.call_date, calls.call_id, people.person_id;
