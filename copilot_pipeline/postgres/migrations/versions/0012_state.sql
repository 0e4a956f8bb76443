-- Old words of `source`: the source of a request or of a call is backfill, schedule, poll, webhook, recheck or manual.
CREATE FUNCTION copilot_ops.new_source(in_old text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE
    WHEN in_old IN ('backfill', 'schedule', 'poll', 'webhook', 'recheck', 'manual') THEN in_old
    WHEN in_old = 'polling' THEN 'poll'
    WHEN in_old = 'look' THEN 'recheck'
    WHEN in_old IN ('sensor', 'valve', 'reference') THEN 'schedule'
    WHEN in_old IS NOT NULL THEN 'manual'
  END
$$;

-- --- calls --------------------------------------------------------------------------------------------------------

ALTER TABLE copilot_ops.calls RENAME COLUMN gone_at TO removed_at;
ALTER TABLE copilot_ops.calls RENAME COLUMN held_version TO fetched_version;
ALTER TABLE copilot_ops.calls RENAME COLUMN looks TO attempts;
ALTER TABLE copilot_ops.calls RENAME COLUMN next_look_at TO next_attempt_at;
ALTER TABLE copilot_ops.calls RENAME COLUMN door TO source;
ALTER INDEX copilot_ops.calls_to_look_at RENAME TO calls_to_retry;
ALTER INDEX copilot_ops.calls_in_work RENAME TO calls_unfinished;
UPDATE copilot_ops.calls SET source = copilot_ops.new_source(source)
WHERE source IS DISTINCT FROM copilot_ops.new_source(source);
COMMENT ON TABLE copilot_ops.calls IS 'State of every call ever listed: listed version, fetched version, and the partition that holds its body.';
COMMENT ON COLUMN copilot_ops.calls.call_id IS 'Clari Copilot''s id of the call.';
COMMENT ON COLUMN copilot_ops.calls.call_date IS 'Partition: the day of the call''s time.';
COMMENT ON COLUMN copilot_ops.calls.started_at IS 'The call''s time.';
COMMENT ON COLUMN copilot_ops.calls.modified_at IS 'Last modification, as the vendor reports it.';
COMMENT ON COLUMN copilot_ops.calls.status_raw IS 'Status in the vendor''s words.';
COMMENT ON COLUMN copilot_ops.calls.readiness IS 'What the status means: ready, pending, no_content, failed or unknown.';
COMMENT ON COLUMN copilot_ops.calls.version IS 'Listed version. Details are fetched while it differs from fetched_version.';
COMMENT ON COLUMN copilot_ops.calls.content_hash IS 'Hash of the list item.';
COMMENT ON COLUMN copilot_ops.calls.listed_at IS 'When a listing last showed a changed item.';
COMMENT ON COLUMN copilot_ops.calls.seen_at IS 'When a listing last showed the call, changed or not.';
COMMENT ON COLUMN copilot_ops.calls.removed_at IS 'When a complete listing first did not show the call; null while it is listed.';
COMMENT ON COLUMN copilot_ops.calls.fetched_version IS 'Version whose details are stored; null if none are.';
COMMENT ON COLUMN copilot_ops.calls.fetched_at IS 'When these details were received.';
COMMENT ON COLUMN copilot_ops.calls.stored_date IS 'Raw partition that holds the body.';
COMMENT ON COLUMN copilot_ops.calls.is_dirty IS 'The call changed since its raw partition was last written.';
COMMENT ON COLUMN copilot_ops.calls.quarantine_reason IS 'Why the newest details cannot be parsed; null if they can.';
COMMENT ON COLUMN copilot_ops.calls.attempts IS 'Failed attempts to fetch this version.';
COMMENT ON COLUMN copilot_ops.calls.next_attempt_at IS 'The call is deferred until then; null if it is not.';
COMMENT ON COLUMN copilot_ops.calls.last_problem IS 'Error of the last failed attempt.';
COMMENT ON COLUMN copilot_ops.calls.source IS 'Source of the last change: backfill, schedule, poll, webhook, recheck or manual.';

CREATE VIEW copilot_ops.unfetched_calls AS
SELECT call_id, call_date, version, source, last_problem, quarantine_reason, next_attempt_at,
  next_attempt_at IS NULL OR next_attempt_at <= now() AS is_due
FROM copilot_ops.calls
WHERE readiness = 'ready' AND fetched_version IS DISTINCT FROM version AND removed_at IS NULL;
COMMENT ON VIEW copilot_ops.unfetched_calls IS 'Calls whose listed version can be fetched and is not; those that are not due are deferred.';
COMMENT ON COLUMN copilot_ops.unfetched_calls.call_id IS 'Clari Copilot''s id of the call.';
COMMENT ON COLUMN copilot_ops.unfetched_calls.call_date IS 'Partition: the day of the call''s time.';
COMMENT ON COLUMN copilot_ops.unfetched_calls.version IS 'Version to fetch.';
COMMENT ON COLUMN copilot_ops.unfetched_calls.source IS 'Source of the last change.';
COMMENT ON COLUMN copilot_ops.unfetched_calls.last_problem IS 'Error of the last failed attempt.';
COMMENT ON COLUMN copilot_ops.unfetched_calls.quarantine_reason IS 'Why the newest details cannot be parsed; null if they can.';
COMMENT ON COLUMN copilot_ops.unfetched_calls.next_attempt_at IS 'The call is deferred until then; null if it is not.';
COMMENT ON COLUMN copilot_ops.unfetched_calls.is_due IS 'It can be fetched now.';

COMMENT ON TABLE copilot_ops.bodies IS 'Bodies received and not yet written to a raw partition (zstd). A row is deleted when its partition is written.';
COMMENT ON COLUMN copilot_ops.bodies.call_id IS 'Clari Copilot''s id of the call.';
COMMENT ON COLUMN copilot_ops.bodies.part IS 'listed (the list item) or details.';
COMMENT ON COLUMN copilot_ops.bodies.received_at IS 'When it was received. Identifies the body: a newer one has another time.';
COMMENT ON COLUMN copilot_ops.bodies.body IS 'Length of the body (8 bytes, big-endian), then the body compressed with zstd.';

ALTER TABLE copilot_ops.quarantine RENAME COLUMN noticed_at TO quarantined_at;
COMMENT ON TABLE copilot_ops.quarantine IS 'Bytes that cannot be parsed, as received, with the reason.';
COMMENT ON COLUMN copilot_ops.quarantine.id IS 'Row id.';
COMMENT ON COLUMN copilot_ops.quarantine.call_id IS 'The call they belong to; null if unknown.';
COMMENT ON COLUMN copilot_ops.quarantine.call_date IS 'Partition of that call; null if unknown.';
COMMENT ON COLUMN copilot_ops.quarantine.origin IS 'What they should have been, such as call-details.';
COMMENT ON COLUMN copilot_ops.quarantine.reason IS 'Why they cannot be parsed.';
COMMENT ON COLUMN copilot_ops.quarantine.body IS 'The bytes.';
COMMENT ON COLUMN copilot_ops.quarantine.body_hash IS 'SHA-256 of call id and bytes, so that the same bytes of a call are kept once.';
COMMENT ON COLUMN copilot_ops.quarantine.quarantined_at IS 'When they were last received.';

-- --- list cursors and partitions ----------------------------------------------------------------------------------

ALTER TABLE copilot_ops.listings RENAME TO list_cursors;
ALTER TABLE copilot_ops.list_cursors RENAME COLUMN door TO source;
ALTER TABLE copilot_ops.list_cursors RENAME COLUMN is_cut TO is_split;
ALTER TABLE copilot_ops.list_cursors RENAME COLUMN began_at TO started_at;
ALTER INDEX copilot_ops.listings_pkey RENAME TO list_cursors_pkey;
-- Two old sources may become one, and a window has one cursor per source: keep the newest.
DELETE FROM copilot_ops.list_cursors AS cursor USING copilot_ops.list_cursors AS other
WHERE (cursor.basis, cursor.after, cursor.before) = (other.basis, other.after, other.before)
  AND copilot_ops.new_source(cursor.source) = copilot_ops.new_source(other.source)
  AND (cursor.started_at, cursor.source) < (other.started_at, other.source);
UPDATE copilot_ops.list_cursors SET source = copilot_ops.new_source(source)
WHERE source <> copilot_ops.new_source(source);
COMMENT ON TABLE copilot_ops.list_cursors IS 'Position inside each paged listing, so that an interrupted listing continues at its next page.';
COMMENT ON COLUMN copilot_ops.list_cursors.source IS 'Source of the listing: backfill, schedule, poll, webhook, recheck or manual.';
COMMENT ON COLUMN copilot_ops.list_cursors.basis IS 'Time field that the window filters: started or modified.';
COMMENT ON COLUMN copilot_ops.list_cursors.after IS 'Start of the window.';
COMMENT ON COLUMN copilot_ops.list_cursors.before IS 'End of the window.';
COMMENT ON COLUMN copilot_ops.list_cursors.skip IS 'Calls of the window that have been listed.';
COMMENT ON COLUMN copilot_ops.list_cursors.started_at IS 'Start of the listing. Calls not seen since then are removed when it ends.';
COMMENT ON COLUMN copilot_ops.list_cursors.matched IS 'Calls in the window when it was last counted. If the number changes, pages have shifted.';
COMMENT ON COLUMN copilot_ops.list_cursors.is_split IS 'The window holds more calls than paging can reach; its halves are listed instead.';
COMMENT ON COLUMN copilot_ops.list_cursors.is_complete IS 'This half is listed while the other one is not.';

ALTER TABLE copilot_ops.days RENAME TO partitions;
ALTER TABLE copilot_ops.partitions RENAME COLUMN tabulated_at TO loaded_at;
ALTER TABLE copilot_ops.partitions RENAME COLUMN lost_a_call TO is_stale;
ALTER INDEX copilot_ops.days_pkey RENAME TO partitions_pkey;
COMMENT ON TABLE copilot_ops.partitions IS 'State of each day: when it was listed, stored, loaded and scored.';
COMMENT ON COLUMN copilot_ops.partitions.call_date IS 'The day.';
COMMENT ON COLUMN copilot_ops.partitions.stored_at IS 'State of the calls that its raw file shows; null if the file must be written.';
COMMENT ON COLUMN copilot_ops.partitions.calls IS 'Calls in the raw file.';
COMMENT ON COLUMN copilot_ops.partitions.loaded_at IS 'When its call tables were last loaded.';
COMMENT ON COLUMN copilot_ops.partitions.is_stale IS 'A call moved to another day, so the tables of this one still hold a copy.';
COMMENT ON COLUMN copilot_ops.partitions.listed_at IS 'Start of the last complete listing of the day. A command given before then does not list it again.';
COMMENT ON COLUMN copilot_ops.partitions.scored_at IS 'When the score tables of the day were last loaded.';

-- --- rate limit ---------------------------------------------------------------------------------------------------

ALTER TABLE copilot_ops.pace RENAME TO rate_limits;
ALTER TABLE copilot_ops.rate_limits RENAME COLUMN refused_since TO throttled_since;
ALTER TABLE copilot_ops.rate_limits RENAME COLUMN refusals TO throttle_count;
ALTER INDEX copilot_ops.pace_pkey RENAME TO rate_limits_pkey;
UPDATE copilot_ops.rate_limits SET closed_because = CASE closed_because
  WHEN 'server' THEN 'server_quota' WHEN 'foreign' THEN 'shared_key' ELSE 'retry_after' END
WHERE closed_because IN ('server', 'foreign', 'asked');
COMMENT ON TABLE copilot_ops.rate_limits IS 'One row an API: the next free slot and the requests of this week, shared by all processes.';
COMMENT ON COLUMN copilot_ops.rate_limits.name IS 'The API.';
COMMENT ON COLUMN copilot_ops.rate_limits.next_slot_at IS 'Next free slot.';
COMMENT ON COLUMN copilot_ops.rate_limits.week_start IS 'Sunday (UTC) on which the week of the last slot began.';
COMMENT ON COLUMN copilot_ops.rate_limits.week_requests IS 'Requests of that week.';
COMMENT ON COLUMN copilot_ops.rate_limits.closed_until IS 'No request is granted before then.';
COMMENT ON COLUMN copilot_ops.rate_limits.closed_because IS 'Why it was last closed: pause, server_quota, shared_key or retry_after; null after a request succeeded.';
COMMENT ON COLUMN copilot_ops.rate_limits.throttled_since IS 'First of the last consecutive 429s.';
COMMENT ON COLUMN copilot_ops.rate_limits.throttle_count IS 'Answers of 429 since throttled_since, each soon after the pause for the one before.';
COMMENT ON COLUMN copilot_ops.rate_limits.requests_when_closed IS 'Requests of the week when the limiter last closed. A 429 soon after it opens closes it again.';

ALTER TABLE copilot_ops.request_counts RENAME COLUMN door TO source;
INSERT INTO copilot_ops.request_counts AS counts (name, week_start, source, requests)
SELECT name, week_start, copilot_ops.new_source(source), sum(requests) FROM copilot_ops.request_counts
WHERE source <> copilot_ops.new_source(source) GROUP BY 1, 2, 3
ON CONFLICT (name, week_start, source) DO UPDATE SET requests = counts.requests + excluded.requests;
DELETE FROM copilot_ops.request_counts WHERE source <> copilot_ops.new_source(source);
COMMENT ON TABLE copilot_ops.request_counts IS 'Requests by week and source.';
COMMENT ON COLUMN copilot_ops.request_counts.name IS 'The API.';
COMMENT ON COLUMN copilot_ops.request_counts.week_start IS 'Sunday (UTC) on which the week began.';
COMMENT ON COLUMN copilot_ops.request_counts.source IS 'backfill, schedule, poll, webhook, recheck or manual.';
COMMENT ON COLUMN copilot_ops.request_counts.requests IS 'Requests (or units, if the limit counts records).';
COMMENT ON FUNCTION copilot_ops.week_of IS 'Sunday on which the week of a moment began, in UTC.';

-- --- Semarize runs ------------------------------------------------------------------------------------------------

ALTER TABLE copilot_ops.semarize_runs RENAME COLUMN next_look_at TO next_attempt_at;
ALTER TABLE copilot_ops.former_runs RENAME COLUMN next_look_at TO next_attempt_at;
ALTER TABLE copilot_ops.former_runs RENAME TO replaced_runs;
ALTER INDEX copilot_ops.former_runs_by_call RENAME TO replaced_runs_by_call;
ALTER TABLE copilot_ops.former_transcripts RENAME TO replaced_transcripts;
ALTER INDEX copilot_ops.former_transcripts_pkey RENAME TO replaced_transcripts_pkey;
DROP INDEX copilot_ops.semarize_runs_open;
UPDATE copilot_ops.semarize_runs SET status = 'pending' WHERE status = 'wanted';
UPDATE copilot_ops.replaced_runs SET status = 'pending' WHERE status = 'wanted';
UPDATE copilot.semarize_runs SET status = 'pending' WHERE status = 'wanted';
CREATE INDEX semarize_runs_open ON copilot_ops.semarize_runs (requested_at)
  WHERE status IN ('pending', 'queued', 'running', 'unknown');
CREATE INDEX semarize_runs_by_run_id ON copilot_ops.semarize_runs (run_id) WHERE run_id IS NOT NULL;
COMMENT ON TABLE copilot_ops.semarize_runs IS 'One paid run per call, kit and transcript. The row is written before the request is sent.';
COMMENT ON COLUMN copilot_ops.semarize_runs.call_id IS 'Clari Copilot''s id of the call.';
COMMENT ON COLUMN copilot_ops.semarize_runs.kit IS 'Our name of the kit.';
COMMENT ON COLUMN copilot_ops.semarize_runs.kit_reference IS 'Code of the kit, with the version if one is configured.';
COMMENT ON COLUMN copilot_ops.semarize_runs.transcript_hash IS 'SHA-256 of the transcript that is scored.';
COMMENT ON COLUMN copilot_ops.semarize_runs.call_date IS 'Partition: the day of the call''s time.';
COMMENT ON COLUMN copilot_ops.semarize_runs.idempotency_key IS 'Sent with every attempt to create the run, so that it is created once; empty until the first request of a rescore.';
COMMENT ON COLUMN copilot_ops.semarize_runs.status IS 'pending (no request was answered yet), then Semarize''s status; unknown for a status this version does not support; refused if Semarize refused the request.';
COMMENT ON COLUMN copilot_ops.semarize_runs.run_id IS 'Semarize''s id; null until the run is created.';
COMMENT ON COLUMN copilot_ops.semarize_runs.kit_version_id IS 'Kit version that answered.';
COMMENT ON COLUMN copilot_ops.semarize_runs.requested_at IS 'When the row was written.';
COMMENT ON COLUMN copilot_ops.semarize_runs.created_at IS 'When Semarize answered with the run''s id.';
COMMENT ON COLUMN copilot_ops.semarize_runs.finished_at IS 'When the result was stored.';
COMMENT ON COLUMN copilot_ops.semarize_runs.duration_ms IS 'Duration in milliseconds, as reported by Semarize.';
COMMENT ON COLUMN copilot_ops.semarize_runs.error_code IS 'Machine-readable code of the error.';
COMMENT ON COLUMN copilot_ops.semarize_runs.error_message IS 'Message of the error.';
COMMENT ON COLUMN copilot_ops.semarize_runs.answer IS 'Body of the result (zstd, as in bodies).';
COMMENT ON COLUMN copilot_ops.semarize_runs.rescore_id IS 'Rescore that this run belongs to; null for the first run.';
COMMENT ON COLUMN copilot_ops.semarize_runs.next_attempt_at IS 'When a run that timed out is polled again.';

CREATE VIEW copilot_ops.open_semarize_runs AS
SELECT call_id, kit, kit_reference, transcript_hash, call_date, idempotency_key, status, run_id, kit_version_id,
  requested_at, finished_at, duration_ms, error_code, error_message, answer, rescore_id, next_attempt_at
FROM copilot_ops.semarize_runs WHERE status IN ('pending', 'queued', 'running', 'unknown');
COMMENT ON VIEW copilot_ops.open_semarize_runs IS 'Runs that have not finished; columns as in semarize_runs.';

DO $$
DECLARE
  column_now record;
  table_name text;
BEGIN
  FOREACH table_name IN ARRAY ARRAY['replaced_runs', 'open_semarize_runs'] LOOP
    FOR column_now IN
      SELECT attname AS name, col_description(attrelid, attnum) AS description FROM pg_attribute
      WHERE attrelid = 'copilot_ops.semarize_runs'::regclass AND attnum > 0 AND attname IN (
        SELECT attname FROM pg_attribute WHERE attrelid = ('copilot_ops.' || table_name)::regclass)
    LOOP
      EXECUTE format('COMMENT ON COLUMN copilot_ops.%I.%I IS %L', table_name, column_now.name, column_now.description);
    END LOOP;
  END LOOP;
END $$;
COMMENT ON TABLE copilot_ops.replaced_runs IS 'Runs replaced by a rescore, with their results; columns as in semarize_runs.';
COMMENT ON COLUMN copilot_ops.replaced_runs.replaced_at IS 'When the rescore replaced it.';
COMMENT ON TABLE copilot_ops.replaced_transcripts IS 'Transcripts that were scored and have changed since.';
COMMENT ON COLUMN copilot_ops.replaced_transcripts.transcript_hash IS 'SHA-256 of the text.';
COMMENT ON COLUMN copilot_ops.replaced_transcripts.call_id IS 'Clari Copilot''s id of the call.';
COMMENT ON COLUMN copilot_ops.replaced_transcripts.text IS 'The text, as it was scored.';
COMMENT ON COLUMN copilot_ops.replaced_transcripts.replaced_at IS 'When the transcript changed.';

ALTER TABLE copilot_ops.rescores RENAME COLUMN registered_at TO started_at;
COMMENT ON TABLE copilot_ops.rescores IS 'Requests to score again. An interrupted rescore continues under its id and pays for no run twice.';
COMMENT ON COLUMN copilot_ops.rescores.id IS 'Row id.';
COMMENT ON COLUMN copilot_ops.rescores.name IS 'Days and kits, or the name given by the caller; unique among unfinished rescores.';
COMMENT ON COLUMN copilot_ops.rescores.started_at IS 'When it was requested.';
COMMENT ON COLUMN copilot_ops.rescores.finished_at IS 'When all of its runs had finished; null before.';

-- --- inbox and pending calls --------------------------------------------------------------------------------------

ALTER TABLE copilot_ops.inbox RENAME COLUMN subject TO external_id;
ALTER TABLE copilot_ops.inbox RENAME COLUMN source TO endpoint;
ALTER TABLE copilot_ops.inbox RENAME COLUMN deliveries TO webhooks;
ALTER TABLE copilot_ops.inbox RENAME COLUMN taken_at TO leased_at;
ALTER TABLE copilot_ops.inbox RENAME COLUMN takes TO attempts;
ALTER TABLE copilot_ops.inbox RENAME COLUMN done_at TO acked_at;
ALTER INDEX copilot_ops.inbox_waiting_once RENAME TO inbox_queued_once;
ALTER INDEX copilot_ops.inbox_done RENAME TO inbox_acked;
COMMENT ON TABLE copilot_ops.inbox IS 'Ids received by webhook. A row says that a call or run may have changed; its state is always read from the API.';
COMMENT ON COLUMN copilot_ops.inbox.id IS 'Row id, in the order of receipt.';
COMMENT ON COLUMN copilot_ops.inbox.kind IS 'call (a Clari Copilot call id) or run (a Semarize run id).';
COMMENT ON COLUMN copilot_ops.inbox.external_id IS 'The id.';
COMMENT ON COLUMN copilot_ops.inbox.endpoint IS 'Endpoint of the receiver that got the first webhook.';
COMMENT ON COLUMN copilot_ops.inbox.webhooks IS 'Webhooks with this id while it was queued.';
COMMENT ON COLUMN copilot_ops.inbox.received_at IS 'When the first of them was stored.';
COMMENT ON COLUMN copilot_ops.inbox.leased_at IS 'When a run last leased it; null while it is queued, 1970 after it was released.';
COMMENT ON COLUMN copilot_ops.inbox.attempts IS 'Leases that were not released. More than one means that a run crashed or failed.';
COMMENT ON COLUMN copilot_ops.inbox.acked_at IS 'When it was processed. The row is deleted a week later.';

ALTER TABLE copilot_ops.seen_deliveries RENAME TO seen_webhooks;
ALTER TABLE copilot_ops.seen_webhooks RENAME COLUMN forget_after TO expires_at;
ALTER INDEX copilot_ops.seen_deliveries_pkey RENAME TO seen_webhooks_pkey;
ALTER INDEX copilot_ops.seen_deliveries_by_age RENAME TO seen_webhooks_by_expiry;
COMMENT ON TABLE copilot_ops.seen_webhooks IS 'Fingerprints of accepted webhooks, by which a replay or a duplicate is recognized.';
COMMENT ON COLUMN copilot_ops.seen_webhooks.fingerprint IS 'SHA-256 of the signature, or of the message id with the body.';
COMMENT ON COLUMN copilot_ops.seen_webhooks.expires_at IS 'The row is deleted after this time, when a replay is refused for the age of its timestamp.';

ALTER TABLE copilot_ops.arrivals RENAME TO pending_calls;
ALTER TABLE copilot_ops.pending_calls RENAME COLUMN since TO added_at;
ALTER TABLE copilot_ops.pending_calls RENAME COLUMN tried_at TO claimed_at;
ALTER INDEX copilot_ops.arrivals_pkey RENAME TO pending_calls_pkey;
COMMENT ON TABLE copilot_ops.pending_calls IS 'Calls being brought from their source to their scores; after a crash the next run claims them.';
COMMENT ON COLUMN copilot_ops.pending_calls.call_date IS 'Partition: the day of the call''s time.';
COMMENT ON COLUMN copilot_ops.pending_calls.call_id IS 'The call; empty if only the tables of the day are to be rebuilt.';
COMMENT ON COLUMN copilot_ops.pending_calls.added_at IS 'When it was added.';
COMMENT ON COLUMN copilot_ops.pending_calls.claimed_at IS 'When a run last claimed it.';

-- --- the rest -----------------------------------------------------------------------------------------------------

ALTER TABLE copilot_ops.notes RENAME TO key_values;
ALTER INDEX copilot_ops.notes_pkey RENAME TO key_values_pkey;
UPDATE copilot_ops.key_values SET name = 'command' || substr(name, length('order') + 1) WHERE name LIKE 'order %';
COMMENT ON TABLE copilot_ops.key_values IS 'Single values kept between runs, such as the page size that the API accepts.';
COMMENT ON COLUMN copilot_ops.key_values.name IS 'Name of the value.';
COMMENT ON COLUMN copilot_ops.key_values.value IS 'The value as text.';

ALTER TABLE copilot_ops.backlogs RENAME TO backlog_samples;
ALTER TABLE copilot_ops.backlog_samples RENAME COLUMN seen_at TO sampled_at;
ALTER TABLE copilot_ops.backlog_samples RENAME COLUMN waiting TO items;
ALTER INDEX copilot_ops.backlogs_pkey RENAME TO backlog_samples_pkey;
COMMENT ON TABLE copilot_ops.backlog_samples IS 'Hourly size of each backlog, by which one that grows is recognized.';
COMMENT ON COLUMN copilot_ops.backlog_samples.name IS 'The backlog.';
COMMENT ON COLUMN copilot_ops.backlog_samples.sampled_at IS 'When it was measured.';
COMMENT ON COLUMN copilot_ops.backlog_samples.items IS 'Its size.';

COMMENT ON TABLE copilot_ops.backfills IS 'Registered backfills. Their progress is computed from calls and partitions.';
COMMENT ON COLUMN copilot_ops.backfills.id IS 'Row id, the number that commands take.';
COMMENT ON COLUMN copilot_ops.backfills.first_day IS 'First day.';
COMMENT ON COLUMN copilot_ops.backfills.last_day IS 'Last day, included.';
COMMENT ON COLUMN copilot_ops.backfills.calls IS 'Estimated calls that can be fetched; null if not estimated.';
COMMENT ON COLUMN copilot_ops.backfills.requests IS 'Estimated requests; null if not estimated.';
COMMENT ON COLUMN copilot_ops.backfills.registered_at IS 'When it was registered.';
COMMENT ON COLUMN copilot_ops.backfills.finished_at IS 'When all of its days were complete; null before.';
COMMENT ON COLUMN copilot_ops.backfills.cancelled_at IS 'When it was cancelled; null if it was not.';

COMMENT ON TABLE copilot_ops.deals IS 'Deals as read from the CRM mirror (zstd).';
COMMENT ON COLUMN copilot_ops.deals.deal_id IS 'The deal''s id in the CRM.';
COMMENT ON COLUMN copilot_ops.deals.read_at IS 'When it was last read.';
COMMENT ON COLUMN copilot_ops.deals.is_missing IS 'The CRM mirror has no such deal.';
COMMENT ON COLUMN copilot_ops.deals.is_closed IS 'It is won or lost, so it is not read again.';
COMMENT ON COLUMN copilot_ops.deals.body IS 'Response as received (zstd, as in bodies); null if missing.';
COMMENT ON TABLE copilot_ops.accounts IS 'Accounts as read from the CRM mirror (zstd).';
COMMENT ON COLUMN copilot_ops.accounts.account_id IS 'The account''s id in the CRM.';
COMMENT ON COLUMN copilot_ops.accounts.read_at IS 'When it was last read.';
COMMENT ON COLUMN copilot_ops.accounts.is_missing IS 'The CRM mirror has no such account.';
COMMENT ON COLUMN copilot_ops.accounts.is_closed IS 'Always false: an account has no final state.';
COMMENT ON COLUMN copilot_ops.accounts.body IS 'Response as received (zstd, as in bodies); null if missing.';

-- --- functions ----------------------------------------------------------------------------------------------------

DROP FUNCTION copilot_ops.take_slot;
-- Reserve the next free slot (GCRA) and count it against the week of that slot, in one statement. The row lock makes it
-- exact and fair. Commits do not wait for the disk: a crash of the database may lose the last half second of
-- reservations, and then at most that many requests are sent early. No slot is close to the turn of the week, because the
-- server's clock decides in which week such a request counts.
CREATE FUNCTION copilot_ops.acquire_slot(
  in_name text, in_source text, in_units integer, in_counted integer, in_interval_seconds double precision,
  in_week_limit bigint, in_quiet interval,
  OUT wait_seconds double precision, OUT is_granted boolean, OUT week date, OUT used bigint, OUT opens_at timestamptz,
  OUT because text
) LANGUAGE plpgsql AS $$
DECLARE
  row_now copilot_ops.rate_limits;
  now_at timestamptz;
  slot_at timestamptz;
  begins_at timestamptz;
  ends_at timestamptz;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  SELECT * INTO row_now FROM copilot_ops.rate_limits WHERE name = in_name FOR UPDATE;
  IF NOT FOUND THEN
    INSERT INTO copilot_ops.rate_limits (name) VALUES (in_name) ON CONFLICT DO NOTHING;
    SELECT * INTO row_now FROM copilot_ops.rate_limits WHERE name = in_name FOR UPDATE;
  END IF;
  now_at := clock_timestamp();
  IF row_now.closed_until > now_at THEN
    wait_seconds := extract(epoch FROM row_now.closed_until - now_at); is_granted := false;
    used := row_now.week_requests; opens_at := row_now.closed_until; because := row_now.closed_because;
    RETURN;
  END IF;
  slot_at := greatest(now_at, row_now.next_slot_at);
  week := copilot_ops.week_of(slot_at);
  begins_at := week::timestamp AT TIME ZONE 'UTC';
  ends_at := (week + 7)::timestamp AT TIME ZONE 'UTC';
  IF slot_at >= ends_at - in_quiet THEN
    week := week + 7; slot_at := ends_at + in_quiet;
  ELSIF slot_at < begins_at + in_quiet THEN
    slot_at := begins_at + in_quiet;
  END IF;
  used := CASE WHEN row_now.week_start = week THEN row_now.week_requests ELSE 0 END;
  IF used + in_counted > in_week_limit THEN
    wait_seconds := 0; is_granted := false;
    opens_at := (week + 7)::timestamp AT TIME ZONE 'UTC'; because := 'week';
    RETURN;
  END IF;
  used := used + in_counted;
  UPDATE copilot_ops.rate_limits SET
    next_slot_at = slot_at + make_interval(secs => in_units * in_interval_seconds),
    week_start = week, week_requests = used
  WHERE name = in_name;
  INSERT INTO copilot_ops.request_counts AS counts (name, week_start, source, requests)
  VALUES (in_name, week, in_source, in_counted)
  ON CONFLICT (name, week_start, source) DO UPDATE SET requests = counts.requests + excluded.requests;
  wait_seconds := extract(epoch FROM slot_at - now_at); is_granted := true;
END $$;
COMMENT ON FUNCTION copilot_ops.acquire_slot IS 'Reserves the next free slot of a rate limit.';

DROP FUNCTION copilot_ops.keep_details;
-- Store bodies and the versions they belong to, atomically. A body with a problem (it cannot be parsed) is stored, but
-- its version counts as not fetched, and the call is deferred: in_backoff_hours is the delay by number of attempts.
-- Commits do not wait for the disk: after a crash of the database both are missing, and the call is fetched again.
CREATE FUNCTION copilot_ops.store_details(
  in_call_ids text[], in_versions text[], in_bodies bytea[], in_problems text[], in_backoff_hours integer[]
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  -- Every writer of several calls locks them in the order of their ids, so that two cannot deadlock.
  PERFORM 1 FROM copilot_ops.calls WHERE call_id = ANY(in_call_ids) ORDER BY call_id FOR UPDATE;
  INSERT INTO copilot_ops.bodies AS stored (call_id, part, received_at, body)
  SELECT call_id, 'details', clock_timestamp(), body
  FROM unnest(in_call_ids, in_bodies) AS received (call_id, body) ORDER BY call_id
  ON CONFLICT (call_id, part) DO UPDATE SET received_at = excluded.received_at, body = excluded.body;
  UPDATE copilot_ops.calls AS known SET
    fetched_version = CASE WHEN received.problem IS NULL THEN received.version END,
    fetched_at = clock_timestamp(), is_dirty = true, quarantine_reason = received.problem, last_problem = NULL,
    attempts = CASE WHEN received.problem IS NULL THEN 0 ELSE known.attempts + 1 END,
    next_attempt_at = CASE WHEN received.problem IS NOT NULL THEN now() + make_interval(
      hours => in_backoff_hours[least(known.attempts + 1, array_length(in_backoff_hours, 1))]) END
  FROM unnest(in_call_ids, in_versions, in_problems) AS received (call_id, version, problem)
  WHERE known.call_id = received.call_id;
END $$;
COMMENT ON FUNCTION copilot_ops.store_details IS 'Stores details as received and marks their versions as fetched.';

DROP FUNCTION copilot_ops.new_source;
