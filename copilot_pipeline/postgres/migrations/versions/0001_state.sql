CREATE SCHEMA IF NOT EXISTS copilot_ops;
COMMENT ON SCHEMA copilot_ops IS 'State of copilot-pipeline: what is known, fetched, scored and spent. Not for analysis.';

CREATE TABLE copilot_ops.calls (
  call_id text PRIMARY KEY,
  call_date date NOT NULL,
  started_at timestamptz NOT NULL,
  modified_at timestamptz,
  status_raw text,
  readiness text NOT NULL,
  version text NOT NULL,
  content_hash text NOT NULL,
  listed_at timestamptz NOT NULL,
  seen_at timestamptz NOT NULL,
  gone_at timestamptz,
  held_version text,
  fetched_at timestamptz,
  stored_date date,
  is_dirty boolean NOT NULL DEFAULT true,
  quarantine_reason text,
  looks integer NOT NULL DEFAULT 0,
  next_look_at timestamptz,
  last_problem text,
  door text
);
CREATE INDEX calls_by_date ON copilot_ops.calls (call_date);
CREATE INDEX calls_by_stored_date ON copilot_ops.calls (stored_date) WHERE stored_date IS DISTINCT FROM call_date;
COMMENT ON TABLE copilot_ops.calls IS 'The ledger: every call ever listed, which version is held, and where its body is.';
CREATE INDEX calls_in_work ON copilot_ops.calls (call_date) WHERE is_dirty OR held_version IS DISTINCT FROM version;
COMMENT ON COLUMN copilot_ops.calls.door IS 'The door through which the last change became known.';
COMMENT ON COLUMN copilot_ops.calls.version IS 'The version listed; details are wanted while it differs from held_version.';
COMMENT ON COLUMN copilot_ops.calls.stored_date IS 'The day of the raw layer in which the body lies.';
COMMENT ON COLUMN copilot_ops.calls.is_dirty IS 'Something changed since the day was last stored.';

CREATE TABLE copilot_ops.bodies (
  call_id text NOT NULL,
  part text NOT NULL CHECK (part IN ('listed', 'details')),
  received_at timestamptz NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (call_id, part)
);
ALTER TABLE copilot_ops.bodies ALTER COLUMN body SET STORAGE EXTERNAL;
COMMENT ON TABLE copilot_ops.bodies IS 'Bodies received and not yet stored in the raw layer (zstd). Emptied as days are stored.';

CREATE TABLE copilot_ops.listings (
  door text NOT NULL,
  basis text NOT NULL,
  after timestamptz NOT NULL,
  before timestamptz NOT NULL,
  skip integer NOT NULL,
  began_at timestamptz NOT NULL,
  PRIMARY KEY (door, basis, after, before)
);
COMMENT ON TABLE copilot_ops.listings IS 'Listings under way: a window and the position in it. Killed at page 3, it goes on at page 4.';

CREATE TABLE copilot_ops.days (
  call_date date PRIMARY KEY,
  stored_at timestamptz,
  calls integer,
  tabulated_at timestamptz,
  lost_a_call boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE copilot_ops.days IS 'Days of the raw layer. lost_a_call: a call moved to another day, so the tables of this one are stale.';

CREATE TABLE copilot_ops.quarantine (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  call_id text,
  call_date date,
  origin text NOT NULL,
  reason text NOT NULL,
  body bytea NOT NULL,
  body_hash text NOT NULL,
  noticed_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (origin, body_hash)
);
COMMENT ON TABLE copilot_ops.quarantine IS 'Bodies that could not be understood: the bytes as received, and why.';

CREATE TABLE copilot_ops.pace (
  name text PRIMARY KEY,
  next_slot_at timestamptz NOT NULL DEFAULT '-infinity',
  week_start date NOT NULL DEFAULT '-infinity',
  week_requests bigint NOT NULL DEFAULT 0,
  closed_until timestamptz NOT NULL DEFAULT '-infinity',
  closed_because text,
  refused_since timestamptz,
  refusals integer NOT NULL DEFAULT 0
);
COMMENT ON COLUMN copilot_ops.pace.refusals IS 'Answers of 429 since refused_since: many of them are not our doing.';
COMMENT ON TABLE copilot_ops.pace IS 'One row an API: the next free slot and the requests of this week, for all processes together.';

CREATE TABLE copilot_ops.request_counts (
  name text NOT NULL,
  week_start date NOT NULL,
  door text NOT NULL,
  requests bigint NOT NULL,
  PRIMARY KEY (name, week_start, door)
);
COMMENT ON TABLE copilot_ops.request_counts IS 'Requests by week and by door.';

-- Reserves the next free slot and counts it against the week of that slot, in one statement. A row lock makes it exact
-- and fair; commits do not wait for the disk: a crash of the database may forget the last half second of reservations,
-- and then at worst that many requests go out early.
CREATE FUNCTION copilot_ops.take_slot(
  in_name text, in_door text, in_units integer, in_counted integer, in_interval_seconds double precision, in_week_limit bigint,
  OUT wait_seconds double precision, OUT is_granted boolean, OUT used bigint, OUT opens_at timestamptz, OUT because text
) LANGUAGE plpgsql AS $$
DECLARE
  row_now copilot_ops.pace;
  now_at timestamptz;
  slot_at timestamptz;
  week date;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  SELECT * INTO row_now FROM copilot_ops.pace WHERE name = in_name FOR UPDATE;
  IF NOT FOUND THEN
    INSERT INTO copilot_ops.pace (name) VALUES (in_name) ON CONFLICT DO NOTHING;
    SELECT * INTO row_now FROM copilot_ops.pace WHERE name = in_name FOR UPDATE;
  END IF;
  now_at := clock_timestamp();
  IF row_now.closed_until > now_at THEN
    wait_seconds := 0; is_granted := false; used := row_now.week_requests;
    opens_at := row_now.closed_until; because := row_now.closed_because;
    RETURN;
  END IF;
  slot_at := greatest(now_at, row_now.next_slot_at);
  week := (date_trunc('week', (slot_at AT TIME ZONE 'UTC') + interval '1 day') - interval '1 day')::date;
  used := CASE WHEN row_now.week_start = week THEN row_now.week_requests ELSE 0 END;
  IF used + in_counted > in_week_limit THEN
    wait_seconds := 0; is_granted := false;
    opens_at := (week + 7)::timestamp AT TIME ZONE 'UTC'; because := 'week';
    RETURN;
  END IF;
  used := used + in_counted;
  UPDATE copilot_ops.pace SET
    next_slot_at = slot_at + make_interval(secs => in_units * in_interval_seconds),
    week_start = week, week_requests = used
  WHERE name = in_name;
  INSERT INTO copilot_ops.request_counts AS counts (name, week_start, door, requests)
  VALUES (in_name, week, in_door, in_counted)
  ON CONFLICT (name, week_start, door) DO UPDATE SET requests = counts.requests + excluded.requests;
  wait_seconds := extract(epoch FROM slot_at - now_at); is_granted := true;
END $$;

-- Keeps bodies and marks their versions as held, as one: a body is never here without the ledger knowing, nor the
-- reverse. Commits do not wait for the disk: after a crash of the database both are missing, and the call is fetched again.
CREATE FUNCTION copilot_ops.keep_details(in_call_ids text[], in_versions text[], in_bodies bytea[], in_problems text[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  -- Every writer of several calls locks them in the order of their ids: two can then never wait for each other.
  PERFORM 1 FROM copilot_ops.calls WHERE call_id = ANY(in_call_ids) ORDER BY call_id FOR UPDATE;
  INSERT INTO copilot_ops.bodies AS kept (call_id, part, received_at, body)
  SELECT call_id, 'details', clock_timestamp(), body
  FROM unnest(in_call_ids, in_bodies) AS received (call_id, body) ORDER BY call_id
  ON CONFLICT (call_id, part) DO UPDATE SET received_at = excluded.received_at, body = excluded.body;
  UPDATE copilot_ops.calls AS known SET
    held_version = received.version, fetched_at = clock_timestamp(), is_dirty = true,
    quarantine_reason = received.problem, last_problem = NULL, looks = 0, next_look_at = NULL
  FROM unnest(in_call_ids, in_versions, in_problems) AS received (call_id, version, problem)
  WHERE known.call_id = received.call_id;
END $$;

CREATE TABLE copilot_ops.semarize_runs (
  call_id text NOT NULL,
  kit text NOT NULL,
  kit_reference text NOT NULL,
  transcript_hash text NOT NULL,
  call_date date NOT NULL,
  idempotency_key text NOT NULL,
  status text NOT NULL,
  run_id text,
  kit_version_id text,
  requested_at timestamptz NOT NULL DEFAULT now(),
  created_at timestamptz,
  finished_at timestamptz,
  duration_ms bigint,
  error_code text,
  error_message text,
  answer bytea,
  PRIMARY KEY (call_id, kit, kit_reference, transcript_hash)
);
CREATE INDEX semarize_runs_by_date ON copilot_ops.semarize_runs (call_date);
COMMENT ON TABLE copilot_ops.semarize_runs IS 'One paid run per call, kit and transcript: the intent stands here before the request is sent.';

CREATE TABLE copilot_ops.deals (
  deal_id text PRIMARY KEY,
  read_at timestamptz NOT NULL,
  is_missing boolean NOT NULL DEFAULT false,
  is_closed boolean NOT NULL DEFAULT false,
  body bytea
);
COMMENT ON TABLE copilot_ops.deals IS 'Deals as read from the CRM mirror (zstd).';

CREATE TABLE copilot_ops.backfills (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  first_day date NOT NULL,
  last_day date NOT NULL,
  calls bigint,
  requests bigint,
  registered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  finished_at timestamptz,
  cancelled_at timestamptz
);
COMMENT ON TABLE copilot_ops.backfills IS 'Ranges of days that are to be brought in. Their progress is in calls and days.';

CREATE TABLE copilot_ops.notes (
  name text PRIMARY KEY,
  value text NOT NULL
);
COMMENT ON TABLE copilot_ops.notes IS 'Small things worth remembering between runs, such as the page size that works.';
