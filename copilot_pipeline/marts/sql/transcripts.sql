-- name: utterances
-- The utterances of a call, in order.
SELECT seq, speaker, side, start_s, text, person_id
FROM copilot.utterances
WHERE call_id = %(call_id)s
ORDER BY seq;

-- name: rep_words
-- What the reps said on the calls of a day, one text per call: empty if no utterance contains one of some words. Case and
-- apostrophes are ignored; texts with other letters than ASCII are not compared here.
SELECT call_id,
  CASE WHEN bool_or(
    lower(replace(text, '''', '')) LIKE ANY(%(patterns)s) OR octet_length(text) <> length(text)
  ) THEN string_agg(text, E'\n' ORDER BY seq) ELSE '' END AS words
FROM copilot.utterances
WHERE call_date = %(day)s AND side = 'rep'
GROUP BY call_id;

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
