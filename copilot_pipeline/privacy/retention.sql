-- name: days_older_than
-- Return the days with calls before a day that still have what one of the two limits removes, oldest first.
SELECT known.call_date FROM (SELECT DISTINCT call_date FROM copilot_ops.calls WHERE call_date < %(before)s) AS known
LEFT JOIN copilot_ops.partitions USING (call_date)
WHERE CASE WHEN %(texts)s THEN lake_texts_removed_at IS NULL ELSE raw_removed_at IS NULL END
ORDER BY known.call_date;

-- name: days_allowed_again
-- Return the days whose raw file may be stored again, because the limit has grown.
SELECT call_date FROM copilot_ops.partitions
WHERE raw_removed_at IS NOT NULL AND call_date >= %(before)s ORDER BY call_date;

-- name: mark_raw_removed
-- Record that a day has no raw file any more, before the file is removed.
INSERT INTO copilot_ops.partitions (call_date, raw_removed_at) VALUES (%(day)s, clock_timestamp())
ON CONFLICT (call_date) DO UPDATE SET raw_removed_at = coalesce(partitions.raw_removed_at, clock_timestamp());

-- name: delete_bodies
-- Delete the bodies of a day that no raw file holds, and those of its calls in quarantine.
WITH unstored AS (
  DELETE FROM copilot_ops.bodies USING copilot_ops.calls
  WHERE bodies.call_id = calls.call_id AND calls.call_date = %(day)s
)
DELETE FROM copilot_ops.quarantine WHERE call_date = %(day)s;

-- name: allow_raw
-- Let the raw file of a day be stored again.
UPDATE copilot_ops.partitions SET raw_removed_at = NULL WHERE call_date = %(day)s;

-- name: mark_texts_removed
-- Record that what was said on a day is removed, in the transaction that removes it from the warehouse.
UPDATE copilot_ops.partitions SET texts_removed_at = clock_timestamp() WHERE call_date = %(day)s;

-- name: mark_lake_texts_removed
-- Record that what was said on a day is removed from the lake too.
UPDATE copilot_ops.partitions SET lake_texts_removed_at = clock_timestamp() WHERE call_date = %(day)s;

-- name: delete_texts
-- Delete what was said on a day from the warehouse.
WITH texts AS (
  DELETE FROM copilot.transcripts WHERE call_date = %(day)s
), turns AS (
  DELETE FROM copilot.utterances WHERE call_date = %(day)s
), topics AS (
  DELETE FROM copilot.topic_mentions WHERE call_date = %(day)s
), competitors AS (
  DELETE FROM copilot.competitor_mentions WHERE call_date = %(day)s
), quotes AS (
  DELETE FROM copilot.evidence WHERE call_date = %(day)s
), reasons AS (
  UPDATE copilot.semarize_scores SET reason = NULL, evidence = NULL
  WHERE call_date = %(day)s AND (reason IS NOT NULL OR evidence IS NOT NULL)
)
UPDATE copilot.calls SET has_transcript = false, summary = NULL, takeaways = NULL, summary_topics = NULL,
  action_items = NULL, competitor_sentiments = NULL
WHERE call_date = %(day)s;

-- name: delete_answers
-- Delete the answers of Semarize of a day and the texts that were scored. The keys of the runs stay.
WITH answers AS (
  UPDATE copilot_ops.semarize_runs SET answer = NULL WHERE call_date = %(day)s AND answer IS NOT NULL
), replaced AS (
  UPDATE copilot_ops.replaced_runs SET answer = NULL WHERE call_date = %(day)s AND answer IS NOT NULL
)
DELETE FROM copilot_ops.replaced_transcripts USING copilot_ops.calls
WHERE replaced_transcripts.call_id = calls.call_id AND calls.call_date = %(day)s;

-- name: remove_former_transcripts
-- Delete some replaced transcripts, except those of runs that are still open.
DELETE FROM copilot_ops.replaced_transcripts WHERE transcript_hash IN (
  SELECT transcript_hash FROM copilot_ops.replaced_transcripts AS former WHERE replaced_at < %(before)s
    AND NOT EXISTS (
      SELECT FROM copilot_ops.open_semarize_runs AS runs WHERE runs.transcript_hash = former.transcript_hash)
  LIMIT %(limit)s);

-- name: count_former_transcripts
-- Count the replaced transcripts from before a time, except those of runs that are still open.
SELECT count(*) FROM copilot_ops.replaced_transcripts AS former WHERE replaced_at < %(before)s
  AND NOT EXISTS (
    SELECT FROM copilot_ops.open_semarize_runs AS runs WHERE runs.transcript_hash = former.transcript_hash);

-- name: remove_former_answers
-- Remove the answers of some replaced runs. Their keys stay.
UPDATE copilot_ops.replaced_runs SET answer = NULL WHERE ctid IN (
  SELECT ctid FROM copilot_ops.replaced_runs WHERE replaced_at < %(before)s AND answer IS NOT NULL LIMIT %(limit)s);

-- name: count_former_answers
-- Count the replaced runs from before a time that have an answer.
SELECT count(*) FROM copilot_ops.replaced_runs WHERE replaced_at < %(before)s AND answer IS NOT NULL;

-- name: remove_outbox
-- Remove the contents of some completed deliveries. What identifies them stays, so that nothing is sent twice.
UPDATE copilot_ops.outbox SET
  payload = CASE WHEN target = '' THEN '{"removed": true}'
    ELSE jsonb_build_object('id', payload -> 'id', 'removed', true,
      'fields', copilot_ops.without_values(coalesce(payload -> 'fields', '{}'))) END,
  sent_fields = copilot_ops.without_values(sent_fields)
WHERE id IN (
  SELECT id FROM copilot_ops.outbox
  WHERE coalesce(completed_at, created_at) < %(before)s AND state NOT IN ('queued', 'sending')
    AND NOT payload ? 'removed'
  ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED);

-- name: count_outbox
-- Count the completed deliveries from before a time that have contents.
SELECT count(*) FROM copilot_ops.outbox
WHERE coalesce(completed_at, created_at) < %(before)s AND state NOT IN ('queued', 'sending')
  AND NOT payload ? 'removed';

-- name: remove_quarantine
-- Delete some quarantined bytes.
DELETE FROM copilot_ops.quarantine WHERE id IN (
  SELECT id FROM copilot_ops.quarantine WHERE quarantined_at < %(before)s LIMIT %(limit)s);

-- name: count_quarantine
-- Count the quarantined bytes from before a time.
SELECT count(*) FROM copilot_ops.quarantine WHERE quarantined_at < %(before)s;

-- name: remove_inbox
-- Delete some processed webhooks.
DELETE FROM copilot_ops.inbox WHERE id IN (
  SELECT id FROM copilot_ops.inbox WHERE acked_at < %(before)s LIMIT %(limit)s);

-- name: count_inbox
-- Count the webhooks that were processed before a time.
SELECT count(*) FROM copilot_ops.inbox WHERE acked_at < %(before)s;

-- name: removed_calls
-- Return the calls that the vendor's list has not shown since before a time.
SELECT call_id, call_date FROM copilot_ops.calls WHERE removed_at < %(before)s ORDER BY call_date, call_id;
