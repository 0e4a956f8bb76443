INSERT INTO copilot_ops.calls
  (call_id, call_date, started_at, readiness, version, content_hash, listed_at, seen_at, gone_at, held_version, looks,
   next_look_at, door)
VALUES
  ('polled', '2026-11-03', '2026-11-03 12:00Z', 'ready', 'v2', 'h', '2026-11-03', '2026-11-03', '2026-11-04', 'v1', 2,
   '2026-11-05', 'polling'),
  ('looked', '2026-11-03', '2026-11-03 12:00Z', 'ready', 'v1', 'h', '2026-11-03', '2026-11-03', NULL, NULL, 0, NULL,
   'look'),
  ('from the UI', '2026-11-03', '2026-11-03 12:00Z', 'ready', 'v1', 'h', '2026-11-03', '2026-11-03', NULL, NULL, 0, NULL,
   'ui'),
  ('unknown', '2026-11-03', '2026-11-03 12:00Z', 'ready', 'v1', 'h', '2026-11-03', '2026-11-03', NULL, NULL, 0, NULL,
   NULL);
INSERT INTO copilot_ops.bodies VALUES ('polled', 'listed', '2026-11-03', 'x');
INSERT INTO copilot_ops.listings (door, basis, after, before, skip, began_at, is_cut) VALUES
  ('run', 'started', '2026-11-03', '2026-11-04', 100, '2026-11-03 10:00Z', false),
  ('ui', 'started', '2026-11-03', '2026-11-04', 200, '2026-11-03 11:00Z', true),
  ('polling', 'modified', '2026-11-03', '2026-11-04', 300, '2026-11-03 10:00Z', false);
INSERT INTO copilot_ops.days (call_date, stored_at, calls, tabulated_at, lost_a_call)
VALUES ('2026-11-03', '2026-11-04', 3, '2026-11-05', true);
INSERT INTO copilot_ops.quarantine (call_id, origin, reason, body, body_hash, noticed_at)
VALUES ('polled', 'call-details', '$: not JSON', 'x', 'h', '2026-11-03');
INSERT INTO copilot_ops.pace (name, week_requests, closed_because, refusals) VALUES ('clari', 35, 'foreign', 12);
INSERT INTO copilot_ops.request_counts (name, week_start, door, requests) VALUES
  ('clari', '2026-11-01', 'polling', 10), ('clari', '2026-11-01', 'run', 3), ('clari', '2026-11-01', 'ui', 4),
  ('clari', '2026-11-01', 'demo', 5), ('clari', '2026-11-01', 'sensor', 6), ('clari', '2026-11-01', 'schedule', 7),
  ('clari', '2026-10-25', 'doctor', 1), ('clari', '2026-11-01', 'backfill', 8);
INSERT INTO copilot_ops.semarize_runs
  (call_id, kit, kit_reference, transcript_hash, call_date, idempotency_key, status, next_look_at)
VALUES ('polled', 'deal', 'A1', 'h', '2026-11-03', 'k', 'wanted', '2026-11-05'),
  ('looked', 'deal', 'A1', 'h', '2026-11-03', 'k', 'succeeded', NULL);
INSERT INTO copilot_ops.former_runs
  (call_id, kit, kit_reference, transcript_hash, call_date, idempotency_key, status, requested_at)
VALUES ('looked', 'deal', 'A1', 'h', '2026-11-03', 'k', 'failed', '2026-11-03');
INSERT INTO copilot_ops.former_transcripts (transcript_hash, call_id, text) VALUES ('h', 'looked', 'Hello');
INSERT INTO copilot_ops.rescores (name, registered_at) VALUES ('2026-11-03 deal', '2026-11-04');
INSERT INTO copilot_ops.inbox (kind, subject, source, deliveries, taken_at, takes, done_at)
VALUES ('call', 'polled', 'clari', 3, '2026-11-03 12:00Z', 2, '2026-11-03 12:01Z'),
  ('run', 'run_1', 'semarize', 1, NULL, 0, NULL);
INSERT INTO copilot_ops.seen_deliveries (fingerprint, forget_after) VALUES ('\x01', '2026-11-04');
INSERT INTO copilot_ops.arrivals (call_date, call_id, since, tried_at)
VALUES ('2026-11-03', 'polled', '2026-11-03', '2026-11-04');
INSERT INTO copilot_ops.notes (name, value) VALUES
  ('clari page size', '50 2026-11-03 00:00:00+00'), ('order 2026-11-03 2026-11-04', '2026-11-04 00:00:00+00');
INSERT INTO copilot_ops.backlogs (name, seen_at, waiting) VALUES ('calls to fetch', '2026-11-03', 12);
INSERT INTO copilot_ops.backfills (first_day, last_day, calls) VALUES ('2026-11-01', '2026-11-03', 9);
INSERT INTO copilot_ops.deals (deal_id, read_at) VALUES ('d-1', '2026-11-03');
INSERT INTO copilot_ops.accounts (account_id, read_at) VALUES ('a-1', '2026-11-03');
