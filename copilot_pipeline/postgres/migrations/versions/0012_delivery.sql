-- Routes -------------------------------------------------------------------------------------------------------------

ALTER TABLE copilot_ops.routes RENAME COLUMN first_seen_at TO active_since;

COMMENT ON TABLE copilot_ops.routes IS 'Routes of pipeline.yaml and since when each is active. Messages about calls that were scored before are suppressed.';
COMMENT ON COLUMN copilot_ops.routes.name IS 'The route''s name in pipeline.yaml.';
COMMENT ON COLUMN copilot_ops.routes.active_since IS 'When the route first evaluated a scored call (UTC).';

-- Sinks --------------------------------------------------------------------------------------------------------------

ALTER TABLE copilot_ops.sinks RENAME COLUMN next_try_at TO next_attempt_at;
ALTER TABLE copilot_ops.sinks RENAME COLUMN trouble TO problem;
ALTER TABLE copilot_ops.sinks RENAME COLUMN last_problem TO last_error;
ALTER TABLE copilot_ops.sinks DROP CONSTRAINT sinks_trouble_check;
UPDATE copilot_ops.sinks SET problem = CASE problem WHEN 'down' THEN 'unavailable' ELSE 'throttled' END
WHERE problem IN ('down', 'busy');
ALTER TABLE copilot_ops.sinks ADD CONSTRAINT sinks_problem_check
  CHECK (problem IN ('unavailable', 'throttled', 'credentials'));

COMMENT ON TABLE copilot_ops.sinks IS 'The health of each sink. While a sink fails, nothing is sent to it before next_attempt_at, and then a single delivery.';
COMMENT ON COLUMN copilot_ops.sinks.name IS 'The sink''s name in pipeline.yaml.';
COMMENT ON COLUMN copilot_ops.sinks.failures IS 'Failed attempts in a row; 0 while the sink works.';
COMMENT ON COLUMN copilot_ops.sinks.failing_since IS 'The first of these failures (UTC); null while the sink works.';
COMMENT ON COLUMN copilot_ops.sinks.next_attempt_at IS 'Nothing is sent to the sink before (UTC).';
COMMENT ON COLUMN copilot_ops.sinks.problem IS 'unavailable (no response, or 5xx), throttled (429) or credentials (the key or the address is not accepted); null while the sink works.';
COMMENT ON COLUMN copilot_ops.sinks.last_error IS 'The reason of the last failed attempt; null while the sink works.';
COMMENT ON COLUMN copilot_ops.sinks.last_success_at IS 'When a delivery was last accepted (UTC).';

-- Outbox -------------------------------------------------------------------------------------------------------------

ALTER TABLE copilot_ops.outbox RENAME COLUMN claim TO lease_id;
ALTER TABLE copilot_ops.outbox RENAME COLUMN sent TO sent_fields;
ALTER TABLE copilot_ops.outbox RENAME COLUMN settled_at TO completed_at;
ALTER SEQUENCE copilot_ops.outbox_claims RENAME TO outbox_lease_ids;
ALTER TABLE copilot_ops.outbox DROP CONSTRAINT outbox_state_check;
DROP INDEX copilot_ops.outbox_waiting;
UPDATE copilot_ops.outbox SET state = CASE state
  WHEN 'waiting' THEN 'queued' WHEN 'delivered' THEN 'sent' WHEN 'refused' THEN 'failed' ELSE 'suppressed' END
WHERE state IN ('waiting', 'delivered', 'refused', 'silenced');
ALTER TABLE copilot_ops.outbox ADD CONSTRAINT outbox_state_check CHECK (state IN
  ('queued', 'sending', 'sent', 'failed', 'uncertain', 'superseded', 'suppressed', 'cancelled'));
CREATE INDEX outbox_queued ON copilot_ops.outbox (sink, next_attempt_at, id) WHERE state = 'queued';
CREATE INDEX outbox_uncertain ON copilot_ops.outbox (sink) WHERE state = 'uncertain';
-- Every sink with a row in the outbox has one here, so that the state of all sinks is read without a scan of the outbox.
INSERT INTO copilot_ops.sinks (name) SELECT DISTINCT sink FROM copilot_ops.outbox ON CONFLICT DO NOTHING;

COMMENT ON TABLE copilot_ops.outbox IS 'Deliveries: a row is written before the request is sent. Each (route, call, version, target) is sent once.';
COMMENT ON COLUMN copilot_ops.outbox.id IS 'Number of the delivery.';
COMMENT ON COLUMN copilot_ops.outbox.route IS 'The route of pipeline.yaml that asks for it; " incidents" and "coaching: skill regression" are the pipeline''s own.';
COMMENT ON COLUMN copilot_ops.outbox.sink IS 'The sink''s name in pipeline.yaml.';
COMMENT ON COLUMN copilot_ops.outbox.kind IS 'slack, salesforce, hubspot or webhook.';
COMMENT ON COLUMN copilot_ops.outbox.call_id IS 'The call that it is about; for an incident its name and the sink.';
COMMENT ON COLUMN copilot_ops.outbox.version IS 'Version of the scores; "once" for messages that are sent once per call, however often it is scored.';
COMMENT ON COLUMN copilot_ops.outbox.target IS 'The CRM record that is written to; empty for messages.';
COMMENT ON COLUMN copilot_ops.outbox.message_id IS 'The same at every attempt, so that a receiver can drop repeats.';
COMMENT ON COLUMN copilot_ops.outbox.call_started_at IS 'Start of the call (UTC): of several calls the newest decides what a record holds.';
COMMENT ON COLUMN copilot_ops.outbox.scored_at IS 'When the scores were read (UTC).';
COMMENT ON COLUMN copilot_ops.outbox.payload IS 'The message, or the record''s id and fields. Quotes what was said on the call.';
COMMENT ON COLUMN copilot_ops.outbox.sent_fields IS 'The fields that were written to the record at the last attempt.';
COMMENT ON COLUMN copilot_ops.outbox.state IS
  'queued; sending; sent; failed (rejected permanently); uncertain (sent, response lost); superseded (a newer score goes to the record instead); suppressed (known, never sent: too old, or scored before the route was active); cancelled (the call belongs to another record now).';
COMMENT ON COLUMN copilot_ops.outbox.reason IS 'Why it is in this state.';
COMMENT ON COLUMN copilot_ops.outbox.attempts IS 'Attempts to send it.';
COMMENT ON COLUMN copilot_ops.outbox.created_at IS 'When it was queued first (UTC).';
COMMENT ON COLUMN copilot_ops.outbox.next_attempt_at IS 'It is not sent before (UTC).';
COMMENT ON COLUMN copilot_ops.outbox.lease_id IS 'The lease of the process that is sending it: the key of an advisory lock, which PostgreSQL releases when the process ends.';
COMMENT ON COLUMN copilot_ops.outbox.superseded_by IS 'The delivery that goes to the record instead.';
COMMENT ON COLUMN copilot_ops.outbox.completed_at IS 'When it reached a final state (UTC).';
COMMENT ON SEQUENCE copilot_ops.outbox_lease_ids IS 'Numbers of leases.';

-- A write to a record waits while another write to the same record is being sent: two at a time could end in either order.
CREATE VIEW copilot_ops.outbox_next_records AS
SELECT DISTINCT ON (sink, target, route) id, sink, target, route, next_attempt_at
FROM copilot_ops.outbox AS queued
WHERE state = 'queued' AND NOT EXISTS (
  SELECT 1 FROM copilot_ops.outbox AS other
  WHERE other.sink = queued.sink AND other.target = queued.target AND other.state = 'sending')
ORDER BY sink, target, route, call_started_at DESC, scored_at DESC, id DESC;
COMMENT ON VIEW copilot_ops.outbox_next_records IS 'Per CRM record and route the delivery of the newest scores, unless the record is being written to.';

CREATE VIEW copilot_ops.outbox_abandoned AS
SELECT id, sink, lease_id FROM copilot_ops.outbox
WHERE state = 'sending' AND NOT EXISTS (
  SELECT 1 FROM pg_locks
  WHERE locktype = 'advisory' AND classid = 720314 AND objid::integer = lease_id
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()));
COMMENT ON VIEW copilot_ops.outbox_abandoned IS 'Deliveries whose process ended while it was sending them. 720314 is the class of the leases'' advisory locks.';

-- Calls without a record ---------------------------------------------------------------------------------------------

ALTER TABLE copilot_ops.unlinked_calls RENAME COLUMN noticed_at TO detected_at;

COMMENT ON TABLE copilot_ops.unlinked_calls IS 'Calls that a route would write to a CRM and that have no record there. Evaluated again when the call''s CRM link changes.';
COMMENT ON COLUMN copilot_ops.unlinked_calls.route IS 'The route''s name in pipeline.yaml.';
COMMENT ON COLUMN copilot_ops.unlinked_calls.call_id IS 'Clari Copilot''s id of the call.';
COMMENT ON COLUMN copilot_ops.unlinked_calls.reason IS 'no deal, no account or unknown system.';
COMMENT ON COLUMN copilot_ops.unlinked_calls.crm_system IS 'The call''s CRM at that time.';
COMMENT ON COLUMN copilot_ops.unlinked_calls.deal_id IS 'The call''s deal at that time.';
COMMENT ON COLUMN copilot_ops.unlinked_calls.detected_at IS 'When the route was evaluated first without finding a record (UTC).';

-- Incidents ----------------------------------------------------------------------------------------------------------

ALTER TABLE copilot_ops.incidents RENAME COLUMN closed_at TO resolved_at;
ALTER TABLE copilot_ops.incidents RENAME COLUMN last_told_at TO last_notified_at;
ALTER TABLE copilot_ops.incidents RENAME COLUMN times_told TO notifications;
ALTER TABLE copilot_ops.incidents RENAME COLUMN what TO description;
ALTER TABLE copilot_ops.incidents RENAME COLUMN what_to_do TO next_step;
-- Incidents that are open during the migration are resolved under their new names.
UPDATE copilot_ops.incidents SET name = CASE name WHEN 'weekly budget' THEN 'weekly quota'
  ELSE 'routes of pipeline.yaml' END
WHERE name IN ('weekly budget', 'rules of pipeline.yaml');

COMMENT ON TABLE copilot_ops.incidents IS 'Failures that people are notified of when they open, once a day while they last, and when they are resolved.';
COMMENT ON COLUMN copilot_ops.incidents.name IS 'Identifies the failure; the same while it lasts.';
COMMENT ON COLUMN copilot_ops.incidents.opened_at IS 'When it was detected (UTC).';
COMMENT ON COLUMN copilot_ops.incidents.resolved_at IS 'When it ended (UTC); null while it lasts.';
COMMENT ON COLUMN copilot_ops.incidents.last_notified_at IS 'When the newest notification was queued (UTC).';
COMMENT ON COLUMN copilot_ops.incidents.notifications IS 'Notifications so far, the one at its end not counted.';
COMMENT ON COLUMN copilot_ops.incidents.description IS 'What has failed, as of the newest check.';
COMMENT ON COLUMN copilot_ops.incidents.next_step IS 'What a person should do.';
