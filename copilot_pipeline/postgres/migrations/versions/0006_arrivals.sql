CREATE TABLE copilot_ops.arrivals (
  call_date date NOT NULL,
  call_id text NOT NULL,
  since timestamptz NOT NULL DEFAULT clock_timestamp(),
  tried_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (call_date, call_id)
);
COMMENT ON TABLE copilot_ops.arrivals IS 'Calls that arrived and are not through to their scores: what a run that dies leaves to the next one.';
COMMENT ON COLUMN copilot_ops.arrivals.call_id IS 'The call; empty where only the tables of the day are to be made anew.';
COMMENT ON COLUMN copilot_ops.arrivals.since IS 'When it was brought in.';
COMMENT ON COLUMN copilot_ops.arrivals.tried_at IS 'When a run last took it up.';

-- What the sensor asks every few seconds stays small, however many calls and runs there have ever been.
CREATE INDEX semarize_runs_open ON copilot_ops.semarize_runs (requested_at)
  WHERE status IN ('wanted', 'queued', 'running', 'unknown');
CREATE INDEX calls_to_look_at ON copilot_ops.calls (next_look_at) WHERE readiness IN ('pending', 'unknown');
