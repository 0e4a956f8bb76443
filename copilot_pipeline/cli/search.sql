-- name: has_words
-- Whether there is a word to search for: words such as "the" are in no index.
SELECT numnode(websearch_to_tsquery('english', %(words)s)) > 0;

-- name: settings
-- Keep the bitmap of a common word exact, and start no processes: the planner takes the words to be dear.
SELECT set_config('work_mem', '128MB', true), set_config('max_parallel_workers_per_gather', '0', true);

-- name: newest_calls
-- The newest calls that are searched.
SELECT call_id FROM copilot.calls
WHERE removed_at IS NULL AND call_date BETWEEN coalesce(%(first)s, '-infinity'::date) AND coalesce(%(last)s, 'infinity'::date)
  AND (%(rep)s::text IS NULL OR rep_user_id = %(rep)s OR lower(rep_email) = lower(%(rep)s)
    OR strpos(lower(rep_name), lower(%(rep)s)) > 0)
ORDER BY started_at DESC, call_id LIMIT %(calls)s;

-- name: in_few_calls
-- The newest utterances with some words in a few calls. Appending nothing keeps the index of words from being used.
SELECT call_id, seq FROM copilot.utterances JOIN copilot.calls USING (call_id)
WHERE copilot.says(text || '', %(words)s) AND call_id = ANY (%(call_ids)s)
ORDER BY started_at DESC, call_id, seq LIMIT %(limit)s;

-- name: in_calls
-- The newest utterances with some words in some calls. The indexes of words and of calls are combined.
WITH said AS MATERIALIZED (
  SELECT call_id, seq FROM copilot.utterances
  WHERE copilot.says(text, %(words)s) AND call_id = ANY (%(call_ids)s)
)
SELECT call_id, seq FROM said JOIN copilot.calls USING (call_id)
ORDER BY started_at DESC, call_id, seq LIMIT %(limit)s;

-- name: in_all_calls
-- The newest utterances with some words. The index of words is read once, before the join.
WITH said AS MATERIALIZED (
  SELECT call_id, seq FROM copilot.utterances WHERE copilot.says(text, %(words)s)
)
SELECT call_id, seq FROM said JOIN copilot.calls AS calls USING (call_id)
WHERE calls.removed_at IS NULL
  AND calls.call_date BETWEEN coalesce(%(first)s, '-infinity'::date) AND coalesce(%(last)s, 'infinity'::date)
  AND (%(rep)s::text IS NULL OR rep_user_id = %(rep)s OR lower(rep_email) = lower(%(rep)s)
    OR strpos(lower(rep_name), lower(%(rep)s)) > 0)
ORDER BY started_at DESC, call_id, seq LIMIT %(limit)s;

-- name: found
-- Utterances with their calls, and the passage with the words.
SELECT started_at, title, rep_name, account_name, deal_name, speaker, side, start_s,
  ts_headline('english', left(text, 20000), websearch_to_tsquery('english', %(words)s),
    'StartSel="", StopSel="", MinWords=20, MaxWords=45') AS said,
  review_url, call_id, seq
FROM unnest(%(call_ids)s::text[], %(seqs)s::bigint[]) AS hits (call_id, seq)
  JOIN copilot.utterances USING (call_id, seq) JOIN copilot.calls USING (call_id)
ORDER BY started_at DESC, call_id, seq;
