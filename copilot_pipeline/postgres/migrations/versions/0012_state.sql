ALTER TABLE copilot_ops.calls RENAME COLUMN gone_at TO removed_at;
ALTER TABLE copilot_ops.calls RENAME COLUMN held_version TO fetched_version;
ALTER TABLE copilot_ops.calls RENAME COLUMN looks TO attempts;
ALTER TABLE copilot_ops.calls RENAME COLUMN next_look_at TO next_attempt_at;
ALTER TABLE copilot_ops.calls RENAME COLUMN door TO source;
ALTER INDEX copilot_ops.calls_to_look_at RENAME TO calls_to_retry;
COMMENT ON TABLE copilot_ops.calls IS 'State of every call ever listed: listed version, fetched version, and the partition that holds its body.';
COMMENT ON COLUMN copilot_ops.calls.source IS 'Source of the last change: backfill, schedule, poll, webhook, recheck or manual.';
COMMENT ON COLUMN copilot_ops.calls.version IS 'Listed version. Details are fetched while it differs from fetched_version.';
COMMENT ON COLUMN copilot_ops.calls.stored_date IS 'Raw partition that holds the body.';
COMMENT ON COLUMN copilot_ops.calls.is_dirty IS 'The call changed since its raw partition was last written.';

ALTER TABLE copilot_ops.listings RENAME TO list_cursors;
ALTER TABLE copilot_ops.list_cursors RENAME COLUMN door TO source;
ALTER TABLE copilot_ops.list_cursors RENAME COLUMN is_cut TO is_split;
COMMENT ON TABLE copilot_ops.list_cursors IS 'Position inside each paged listing, so that an interrupted listing continues at its next page.';
COMMENT ON COLUMN copilot_ops.list_cursors.matched IS 'Calls in the window when it was last counted. If the number changes, pages have shifted.';
COMMENT ON COLUMN copilot_ops.list_cursors.is_split IS 'The window holds more calls than paging can reach; its halves are listed instead.';
COMMENT ON COLUMN copilot_ops.list_cursors.is_complete IS 'This half is listed while the other one is not.';

ALTER TABLE copilot_ops.days RENAME TO partitions;
ALTER TABLE copilot_ops.partitions RENAME COLUMN tabulated_at TO loaded_at;
ALTER TABLE copilot_ops.partitions RENAME COLUMN lost_a_call TO is_stale;
COMMENT ON TABLE copilot_ops.partitions IS 'State of each day: when it was listed, stored, loaded and scored.';
COMMENT ON COLUMN copilot_ops.partitions.is_stale IS 'A call moved to another day, so the tables of this one still hold a copy.';
COMMENT ON COLUMN copilot_ops.partitions.listed_at IS 'Start of the last complete listing of the day. A command given before then does not list it again.';
COMMENT ON COLUMN copilot_ops.partitions.scored_at IS 'When the score tables of the day were last loaded.';

ALTER TABLE copilot_ops.pace RENAME TO rate_limits;
ALTER TABLE copilot_ops.request_counts RENAME COLUMN door TO source;
COMMENT ON TABLE copilot_ops.rate_limits IS 'One row an API: the next free slot and the requests of this week, shared by all processes.';
COMMENT ON COLUMN copilot_ops.rate_limits.refusals IS 'Answers of 429 since refused_since, each soon after the pause for the one before.';
COMMENT ON COLUMN copilot_ops.rate_limits.requests_when_closed IS 'Requests of the week when the limiter last closed. A 429 soon after it opens closes it again.';
COMMENT ON TABLE copilot_ops.request_counts IS 'Requests by week and source.';

ALTER TABLE copilot_ops.semarize_runs RENAME COLUMN next_look_at TO next_attempt_at;
ALTER TABLE copilot_ops.former_runs RENAME COLUMN next_look_at TO next_attempt_at;
COMMENT ON COLUMN copilot_ops.semarize_runs.next_attempt_at IS 'When a run that timed out is polled again.';

ALTER TABLE copilot_ops.arrivals RENAME TO pending_calls;
ALTER TABLE copilot_ops.pending_calls RENAME COLUMN tried_at TO claimed_at;
COMMENT ON TABLE copilot_ops.pending_calls IS 'Calls being brought from their source to their scores; after a crash the next run claims them.';
COMMENT ON COLUMN copilot_ops.pending_calls.call_id IS 'The call; empty if only the tables of the day are to be rebuilt.';
COMMENT ON COLUMN copilot_ops.pending_calls.since IS 'When it was added.';
COMMENT ON COLUMN copilot_ops.pending_calls.claimed_at IS 'When a run last claimed it.';

DROP FUNCTION copilot_ops.take_slot;
-- Reserve the next free slot (GCRA) and count it against the week of that slot, in one statement. The row lock makes it
-- exact and fair. Commits do not wait for the disk: a crash of the database may lose the last half second of
-- reservations, and then at most that many requests are sent early. No slot lies close to the turn of the week, because
-- only the server's clock decides in which week such a request counts.
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

DROP FUNCTION copilot_ops.keep_details;
-- Store bodies and mark their versions as fetched, atomically. Commits do not wait for the disk: after a crash of the
-- database both are missing, and the call is fetched again.
CREATE FUNCTION copilot_ops.store_details(in_call_ids text[], in_versions text[], in_bodies bytea[], in_problems text[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  -- Every writer of several calls locks them in the order of their ids, so that two cannot deadlock.
  PERFORM 1 FROM copilot_ops.calls WHERE call_id = ANY(in_call_ids) ORDER BY call_id FOR UPDATE;
  INSERT INTO copilot_ops.bodies AS stored (call_id, part, received_at, body)
  SELECT call_id, 'details', clock_timestamp(), body
  FROM unnest(in_call_ids, in_bodies) AS received (call_id, body) ORDER BY call_id
  ON CONFLICT (call_id, part) DO UPDATE SET received_at = excluded.received_at, body = excluded.body;
  UPDATE copilot_ops.calls AS known SET
    fetched_version = received.version, fetched_at = clock_timestamp(), is_dirty = true,
    quarantine_reason = received.problem, last_problem = NULL, attempts = 0, next_attempt_at = NULL
  FROM unnest(in_call_ids, in_versions, in_problems) AS received (call_id, version, problem)
  WHERE known.call_id = received.call_id;
END $$;
