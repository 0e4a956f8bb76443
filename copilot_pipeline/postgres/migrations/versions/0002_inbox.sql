CREATE TABLE copilot_ops.inbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('call', 'run')),
  subject text NOT NULL CHECK (length(subject) BETWEEN 1 AND 200),
  source text NOT NULL,
  deliveries integer NOT NULL DEFAULT 1,
  received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  taken_at timestamptz,
  takes integer NOT NULL DEFAULT 0,
  done_at timestamptz
);
-- A subject waits once, however often it is announced; announced again while it is being worked on, it waits anew.
CREATE UNIQUE INDEX inbox_waiting_once ON copilot_ops.inbox (kind, subject) WHERE taken_at IS NULL;
-- Small at all times: asking whether anything waits costs the same after a million webhooks.
CREATE INDEX inbox_open ON copilot_ops.inbox (id) WHERE done_at IS NULL;
CREATE INDEX inbox_done ON copilot_ops.inbox (done_at) WHERE done_at IS NOT NULL;
COMMENT ON TABLE copilot_ops.inbox IS 'What webhooks announced: a row is a hint that a call or a run is worth looking at, never the truth about it.';
COMMENT ON COLUMN copilot_ops.inbox.kind IS 'call (a Clari Copilot call id) or run (a Semarize run id).';
COMMENT ON COLUMN copilot_ops.inbox.subject IS 'The id that was announced.';
COMMENT ON COLUMN copilot_ops.inbox.source IS 'The door of the receiver through which it came first.';
COMMENT ON COLUMN copilot_ops.inbox.deliveries IS 'How many webhooks announced it while it waited.';
COMMENT ON COLUMN copilot_ops.inbox.received_at IS 'When the first of them was written.';
COMMENT ON COLUMN copilot_ops.inbox.taken_at IS 'When a run last took it; null while it waits.';
COMMENT ON COLUMN copilot_ops.inbox.takes IS 'How often it was taken: more than once means that a run died or gave it back.';
COMMENT ON COLUMN copilot_ops.inbox.done_at IS 'When it was followed; kept a week for looking back.';

CREATE TABLE copilot_ops.seen_deliveries (
  fingerprint bytea PRIMARY KEY,
  forget_after timestamptz NOT NULL
);
CREATE INDEX seen_deliveries_by_age ON copilot_ops.seen_deliveries (forget_after);
COMMENT ON TABLE copilot_ops.seen_deliveries IS 'Fingerprints of signatures and deliveries that were accepted: what comes again is known by them.';
COMMENT ON COLUMN copilot_ops.seen_deliveries.fingerprint IS 'SHA-256 of the signature, or of the delivery id with the body.';
COMMENT ON COLUMN copilot_ops.seen_deliveries.forget_after IS 'From here on its timestamp alone refuses it.';
