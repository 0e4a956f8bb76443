-- A year of calls and everything that belongs to them: 100,000 calls, 274 a day, of which the newest are unfinished.
INSERT INTO copilot_ops.calls
  (call_id, call_date, started_at, readiness, version, content_hash, listed_at, seen_at, fetched_version, fetched_at,
   stored_date, is_dirty, next_attempt_at, source)
SELECT 'call-' || n, day, day + interval '12 hours',
  CASE WHEN n % 50 = 0 THEN 'pending' ELSE 'ready' END, 'v1', 'hash', day, day,
  CASE WHEN n % 50 <> 0 AND n > 500 THEN 'v1' END, day, day, n <= 300,
  CASE WHEN n % 50 = 0 THEN day + interval '1 hour' END,
  (ARRAY['backfill', 'schedule', 'poll', 'webhook', 'manual'])[1 + n % 5]
FROM generate_series(1, 100000) AS n, LATERAL (SELECT date '2026-11-20' - n / 274 AS day) AS days;
INSERT INTO copilot_ops.bodies (call_id, part, received_at, body)
SELECT 'call-' || n, part, '2026-11-20', 'x'
FROM generate_series(1, 10000) AS n, unnest(ARRAY['listed', 'details']) AS part;
INSERT INTO copilot_ops.partitions (call_date, stored_at, calls, loaded_at, listed_at, scored_at)
SELECT DISTINCT call_date, call_date + 1, 274, call_date + 2, call_date + 1, call_date + 2 FROM copilot_ops.calls;
INSERT INTO copilot.calls (call_id, call_date, started_at, status, has_crm_link, has_transcript)
SELECT call_id, call_date, started_at, 'ready', true, true FROM copilot_ops.calls;
INSERT INTO copilot.transcripts (call_id, call_date, transcript_hash, text, words, utterances)
SELECT call_id, call_date, md5(call_id), 'Hello', 1, 1 FROM copilot_ops.calls;
INSERT INTO copilot_ops.semarize_runs
  (call_id, kit, kit_reference, transcript_hash, call_date, idempotency_key, status, run_id, requested_at, created_at,
   finished_at)
SELECT call_id, 'deal', 'A1', md5(call_id), call_date, call_id,
  CASE WHEN row_number() OVER () <= 40 THEN 'running' ELSE 'succeeded' END, 'run-' || call_id, call_date, call_date,
  call_date
FROM copilot_ops.calls;
INSERT INTO copilot_ops.replaced_transcripts (transcript_hash, call_id, text)
SELECT md5('old ' || call_id), call_id, 'Hello' FROM copilot_ops.calls;
INSERT INTO copilot_ops.inbox (kind, external_id, endpoint, received_at, leased_at, attempts, acked_at)
SELECT CASE WHEN n % 4 = 0 THEN 'run' ELSE 'call' END, 'id-' || n, 'clari-copilot', '2026-11-20',
  CASE WHEN n > 30 THEN timestamptz '2026-11-20' END, 1, CASE WHEN n > 60 THEN timestamptz '2026-11-20' END
FROM generate_series(1, 100000) AS n;
INSERT INTO copilot_ops.seen_webhooks (fingerprint, expires_at)
SELECT sha256(n::text::bytea), timestamptz '2026-11-20' + n * interval '1 minute' FROM generate_series(1, 100000) AS n;
INSERT INTO copilot_ops.pending_calls (call_date, call_id)
SELECT call_date, call_id FROM copilot_ops.calls ORDER BY call_date DESC LIMIT 50;
INSERT INTO copilot_ops.outbox
  (route, sink, kind, call_id, version, target, message_id, call_started_at, scored_at, payload, state, created_at,
   next_attempt_at, completed_at)
SELECT 'Risk', CASE WHEN n % 2 = 0 THEN 'slack' ELSE 'salesforce' END, 'score', call_id, 'v1',
  CASE WHEN n % 2 = 0 THEN '' ELSE 'deal-' || n % 5000 END, 'message-' || n, call_date, call_date, '{}',
  CASE WHEN n <= 30 THEN 'queued' ELSE 'sent' END, call_date, call_date, CASE WHEN n > 30 THEN call_date END
FROM (SELECT call_id, call_date, row_number() OVER (ORDER BY call_date DESC, call_id) AS n FROM copilot_ops.calls) AS known;
ANALYZE;
