ALTER TABLE copilot_ops.pace ADD COLUMN requests_when_closed bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN copilot_ops.pace.requests_when_closed IS 'The requests of the week when the gate last closed: a refusal soon after it opened closes it again at once.';
COMMENT ON COLUMN copilot_ops.pace.refusals IS 'Answers of 429 since refused_since, each soon after the pause for the one before.';

CREATE FUNCTION copilot_ops.week_of(in_moment timestamptz) RETURNS date LANGUAGE sql STABLE AS $$
  SELECT (date_trunc('week', (in_moment AT TIME ZONE 'UTC') + interval '1 day') - interval '1 day')::date
$$;
COMMENT ON FUNCTION copilot_ops.week_of IS 'The Sunday on which the week of a moment began, in UTC.';

-- Reserves the next free slot and counts it against the week of that slot, in one statement. A row lock makes it exact
-- and fair; commits do not wait for the disk: a crash of the database may forget the last half second of reservations,
-- and then at worst that many requests go out early.
-- No slot lies close to the turn of the week: in which week such a request counts is for the server's clock to say.
DROP FUNCTION copilot_ops.take_slot;
CREATE FUNCTION copilot_ops.take_slot(
  in_name text, in_door text, in_units integer, in_counted integer, in_interval_seconds double precision,
  in_week_limit bigint, in_quiet interval,
  OUT wait_seconds double precision, OUT is_granted boolean, OUT week date, OUT used bigint, OUT opens_at timestamptz,
  OUT because text
) LANGUAGE plpgsql AS $$
DECLARE
  row_now copilot_ops.pace;
  now_at timestamptz;
  slot_at timestamptz;
  begins_at timestamptz;
  ends_at timestamptz;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  SELECT * INTO row_now FROM copilot_ops.pace WHERE name = in_name FOR UPDATE;
  IF NOT FOUND THEN
    INSERT INTO copilot_ops.pace (name) VALUES (in_name) ON CONFLICT DO NOTHING;
    SELECT * INTO row_now FROM copilot_ops.pace WHERE name = in_name FOR UPDATE;
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
  UPDATE copilot_ops.pace SET
    next_slot_at = slot_at + make_interval(secs => in_units * in_interval_seconds),
    week_start = week, week_requests = used
  WHERE name = in_name;
  INSERT INTO copilot_ops.request_counts AS counts (name, week_start, door, requests)
  VALUES (in_name, week, in_door, in_counted)
  ON CONFLICT (name, week_start, door) DO UPDATE SET requests = counts.requests + excluded.requests;
  wait_seconds := extract(epoch FROM slot_at - now_at); is_granted := true;
END $$;
