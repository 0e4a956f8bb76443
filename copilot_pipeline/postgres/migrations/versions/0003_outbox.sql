CREATE TABLE copilot_ops.routes (
  name text PRIMARY KEY,
  first_seen_at timestamptz NOT NULL
);
COMMENT ON TABLE copilot_ops.routes IS 'Rules ever seen: what was scored before a rule was there is not announced by it.';

CREATE TABLE copilot_ops.sinks (
  name text PRIMARY KEY,
  failures integer NOT NULL DEFAULT 0,
  failing_since timestamptz,
  next_try_at timestamptz NOT NULL DEFAULT '-infinity',
  trouble text CHECK (trouble IN ('down', 'busy', 'credentials')),
  last_problem text,
  last_success_at timestamptz
);
COMMENT ON TABLE copilot_ops.sinks IS 'How each sink is. While it fails nothing is sent to it before next_try_at, and then one delivery to try.';

CREATE TABLE copilot_ops.outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  route text NOT NULL,
  sink text NOT NULL,
  kind text NOT NULL,
  call_id text NOT NULL,
  version text NOT NULL,
  target text NOT NULL DEFAULT '',
  message_id text NOT NULL UNIQUE,
  call_started_at timestamptz NOT NULL,
  scored_at timestamptz NOT NULL,
  payload jsonb NOT NULL,
  sent jsonb,
  state text NOT NULL CHECK (state IN
    ('waiting', 'sending', 'delivered', 'refused', 'uncertain', 'superseded', 'silenced', 'cancelled')),
  reason text,
  attempts integer NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL,
  next_attempt_at timestamptz NOT NULL,
  claim integer,
  superseded_by bigint,
  settled_at timestamptz,
  UNIQUE (route, call_id, version, target)
);
CREATE INDEX outbox_waiting ON copilot_ops.outbox (sink, next_attempt_at, id) WHERE state = 'waiting';
CREATE INDEX outbox_sending ON copilot_ops.outbox (sink, target) WHERE state = 'sending';
CREATE INDEX outbox_by_target ON copilot_ops.outbox (sink, target, route) WHERE target <> '';
CREATE INDEX outbox_superseded ON copilot_ops.outbox (superseded_by) WHERE superseded_by IS NOT NULL;
CREATE INDEX outbox_by_call ON copilot_ops.outbox (call_id);
CREATE INDEX outbox_by_time ON copilot_ops.outbox (created_at);
COMMENT ON TABLE copilot_ops.outbox IS 'A delivery is a row here before it is a request. Each (route, call, version, target) goes out once.';
COMMENT ON COLUMN copilot_ops.outbox.version IS 'Of the scores; "once" for messages that are sent once a call, however often it is scored.';
COMMENT ON COLUMN copilot_ops.outbox.target IS 'The record written to in a CRM; empty elsewhere.';
COMMENT ON COLUMN copilot_ops.outbox.message_id IS 'The same at every attempt: what a receiver can recognise a repeat by.';
COMMENT ON COLUMN copilot_ops.outbox.sent IS 'The fields that were written to the record.';
COMMENT ON COLUMN copilot_ops.outbox.state IS
  'waiting; sending; delivered; refused (for good); uncertain (it may have arrived); superseded (a newer score goes to the record instead); silenced (too old, or there before the rule); cancelled (the call belongs to another record now).';
COMMENT ON COLUMN copilot_ops.outbox.claim IS 'The advisory lock of the process that sends it. The lock dies with the process.';

CREATE SEQUENCE copilot_ops.outbox_claims AS integer CYCLE;

CREATE TABLE copilot_ops.unlinked_calls (
  route text NOT NULL,
  call_id text NOT NULL,
  reason text NOT NULL,
  crm_system text,
  deal_id text,
  noticed_at timestamptz NOT NULL,
  PRIMARY KEY (route, call_id)
);
COMMENT ON TABLE copilot_ops.unlinked_calls IS 'Calls a rule wants to write back and cannot: no deal, no account, or another CRM. Looked at again when the link changes.';

CREATE TABLE copilot_ops.incidents (
  name text NOT NULL,
  opened_at timestamptz NOT NULL,
  closed_at timestamptz,
  last_told_at timestamptz NOT NULL,
  times_told integer NOT NULL,
  what text NOT NULL,
  what_to_do text NOT NULL,
  PRIMARY KEY (name, opened_at)
);
CREATE UNIQUE INDEX incidents_open ON copilot_ops.incidents (name) WHERE closed_at IS NULL;
COMMENT ON TABLE copilot_ops.incidents IS 'Failures a person was told of: when, how often, and when they were over.';

CREATE TABLE copilot_ops.backlogs (
  name text NOT NULL,
  seen_at timestamptz NOT NULL,
  waiting bigint NOT NULL,
  PRIMARY KEY (name, seen_at)
);
COMMENT ON TABLE copilot_ops.backlogs IS 'How much was waiting, hour by hour: what tells a backlog that grows from one that is worked off.';
