-- name: seed
-- Make the random numbers of this session the same in every run.
SELECT setseed(0.5);

-- name: users
-- Two hundred reps in twenty teams.
INSERT INTO copilot.users (user_id, email, name, role, manager_id)
SELECT 'u-' || rep, 'rep' || rep || '@example.com', 'Rep ' || rep, 'REP', 'm-' || rep %% 20
FROM generate_series(0, 199) AS rep
UNION ALL
SELECT 'm-' || manager, 'manager' || manager || '@example.com', 'Manager ' || manager, 'MANAGER', NULL
FROM generate_series(0, 19) AS manager;

-- name: user_history
-- Half of the reps changed their team half a year ago.
INSERT INTO copilot.user_history (user_id, valid_from, valid_to, name, email, role, manager_id, seen_at)
SELECT user_id, %(now)s::timestamptz - interval '1 year',
  CASE WHEN is_moved THEN %(now)s::timestamptz - interval '6 months' END, name, email, role,
  CASE WHEN is_moved THEN 'm-0' ELSE manager_id END, %(now)s::timestamptz - interval '1 year'
FROM copilot.users CROSS JOIN LATERAL (SELECT hashtext(user_id) %% 2 = 0 AND manager_id IS NOT NULL AS is_moved) AS moved
UNION ALL
SELECT user_id, %(now)s::timestamptz - interval '6 months', NULL, name, email, role, manager_id,
  %(now)s::timestamptz - interval '6 months'
FROM copilot.users WHERE hashtext(user_id) %% 2 = 0 AND manager_id IS NOT NULL;

-- name: deals
-- A third each won, lost and open, with the history of their stages.
INSERT INTO copilot.deals (deal_id, name, account_id, account_name, amount, currency, stage, outcome, forecast_category,
  close_date, created_at, stage_history, close_date_history, calls)
SELECT 'd-' || deal, 'Deal ' || deal, 'a-' || deal, 'Account ' || deal, round(1000 + random() * 100000),
  CASE WHEN deal %% 3 = 0 THEN 'EUR' ELSE 'USD' END, stage, outcome, 'Commit',
  CASE WHEN outcome = 'open' THEN %(now)s::timestamptz + interval '1 day' * (deal %% 90) ELSE closed_at END, created_at,
  jsonb_build_array(
    jsonb_build_object('stage', 'Discovery', 'prev_stage', NULL, 'date_changed', created_at + interval '5 days'),
    jsonb_build_object('stage', 'Proposal', 'prev_stage', 'Discovery', 'date_changed', created_at + interval '25 days')
  ) || CASE WHEN outcome = 'open' THEN '[]'::jsonb ELSE jsonb_build_array(
    jsonb_build_object('stage', stage, 'prev_stage', 'Proposal', 'date_changed', closed_at)) END,
  '[]'::jsonb, 10
FROM generate_series(0, %(deals)s - 1) AS deal
  CROSS JOIN LATERAL (
    SELECT (ARRAY['Closed Won', 'Closed Lost', 'Proposal'])[deal %% 3 + 1] AS stage,
      (ARRAY['won', 'lost', 'open'])[deal %% 3 + 1] AS outcome,
      %(now)s::timestamptz - interval '1 day' * (90 + 275 * (1 - deal::float / %(deals)s)) AS created_at
  ) AS of_deal
  CROSS JOIN LATERAL (SELECT created_at + interval '1 day' * (30 + deal %% 50) AS closed_at) AS close;

-- name: deal_history
-- Three versions of each deal.
INSERT INTO copilot.deal_history (deal_id, valid_from, valid_to, stage, amount, currency, close_date, forecast_category,
  origin, seen_at)
SELECT deal_id, at, CASE WHEN version < 2 THEN at + interval '25 days' END,
  CASE WHEN version < 2 THEN 'Discovery' ELSE stage END, amount * (1 + version / 10.0), currency,
  close_date + interval '1 day' * version, forecast_category, 'refresh', at
FROM copilot.deals CROSS JOIN generate_series(0, 2) AS version
  CROSS JOIN LATERAL (SELECT created_at + interval '25 days' * version AS at) AS of_version;

-- name: calls
-- Calls over a year, each of a deal.
INSERT INTO copilot.calls (call_id, call_date, title, started_at, status, duration_s, speak_duration_s, rep_name,
  rep_user_id, rep_email, rep_talk_share, questions, questions_by_reps, longest_monologue_s, has_crm_link, deal_id,
  deal_name, deal_stage_before_call, has_transcript, review_url, fetched_at)
SELECT 'call-' || lpad(number::text, 8, '0'), (at AT TIME ZONE 'UTC')::date, 'Call ' || number, at, 'ready',
  1800 + random() * 1800, 1500, 'Rep ' || rep, 'u-' || rep, 'rep' || rep || '@example.com', random(), 20, 10,
  60 + random() * 60, true, 'd-' || deal, 'Deal ' || deal, 'Discovery', true,
  'https://copilot.example.com/call/' || number, at + interval '1 hour'
FROM generate_series(0, %(calls)s - 1) AS number
  CROSS JOIN LATERAL (
    SELECT %(now)s::timestamptz - interval '1 day' * (1 + 364 * (1 - number::float / %(calls)s)) AS at,
      least(floor((number::float / %(calls)s + random() * 0.15) * %(deals)s), %(deals)s - 1)::int AS deal
  ) AS of_call
  CROSS JOIN LATERAL (SELECT deal %% 200 AS rep) AS of_deal;

-- name: participants
-- Two own people and two prospects on each call.
INSERT INTO copilot.participants (call_id, person_id, call_date, name, email, side, user_id, joined, talk_seconds,
  talk_share, utterances, words)
SELECT call_id, person::text, call_date, CASE WHEN person > 1 THEN 'Prospect ' || person || ' of ' || deal_name END,
  CASE WHEN person > 1 THEN 'p' || person || '@' || deal_id || '.example.com' END,
  CASE WHEN person < 2 THEN 'rep' ELSE 'prospect' END,
  CASE person WHEN 0 THEN rep_user_id WHEN 1 THEN 'u-' || abs(hashtext(call_id)) %% 200 END, true, 300,
  random() / 2, 50, 600
FROM copilot.calls CROSS JOIN generate_series(0, 3) AS person;

-- name: runs
-- Four kits for each call.
INSERT INTO copilot.semarize_runs (call_id, kit, call_date, run_id, status, kit_reference, kit_version_id,
  transcript_hash, bricks, finished_at)
SELECT call_id, kit, call_date, call_id || kit, 'succeeded', upper(kit), kit || '-v1', md5(call_id), 6,
  started_at + interval '2 hours'
FROM copilot.calls CROSS JOIN unnest(ARRAY['meddicc', 'coaching', 'claims', 'deal_signals']) AS kit;

-- name: scores
-- Twenty-four bricks for each call, a tenth of them without a value.
INSERT INTO copilot.semarize_scores (call_id, kit, brick, call_date, value_kind, value_bool, value_num, value_text,
  value_json, confidence, reason, evidence, run_id, kit_version_id, transcript_hash)
SELECT call_id, kit, brick, call_date, kind,
  CASE WHEN kind = 'bool' THEN chance < share END,
  CASE WHEN kind = 'num' THEN round((chance * 100)::numeric) END,
  CASE WHEN kind = 'text' THEN CASE WHEN chance < share THEN 'weak on ' || brick ELSE 'none' END END,
  CASE WHEN kind = 'json' THEN CASE WHEN chance < share THEN '["Globex", "Initech"]'::jsonb ELSE '[]'::jsonb END END,
  0.9, repeat('The prospect said so when asked about it. ', 3), ARRAY[repeat('They said so. ', 6)], call_id || kit,
  kit || '-v1', md5(call_id)
FROM copilot.calls CROSS JOIN (VALUES
    ('meddicc', 'metrics', 'num', 0.5), ('meddicc', 'economic_buyer', 'bool', 0.4),
    ('meddicc', 'decision_criteria', 'num', 0.5), ('meddicc', 'decision_process', 'num', 0.5),
    ('meddicc', 'paper_process', 'text', 0.4), ('meddicc', 'identify_pain', 'num', 0.5),
    ('meddicc', 'champion', 'bool', 0.3), ('meddicc', 'competition', 'json', 0.5),
    ('coaching', 'discovery_score', 'num', 0.5), ('coaching', 'objection_score', 'num', 0.5),
    ('coaching', 'value_score', 'num', 0.5), ('coaching', 'listening_score', 'num', 0.5),
    ('coaching', 'next_steps_score', 'num', 0.5),
    ('claims', 'inaccurate_claim', 'bool', 0.05), ('claims', 'roadmap_leak', 'bool', 0.03),
    ('claims', 'outdated_claim', 'text', 0.03), ('claims', 'product', 'text', 0.3),
    ('deal_signals', 'risk_flag', 'bool', 0.1), ('deal_signals', 'budget_confirmed', 'bool', 0.3),
    ('deal_signals', 'decision_maker_present', 'bool', 0.4), ('deal_signals', 'next_step', 'text', 0.5),
    ('deal_signals', 'urgency', 'num', 0.4), ('deal_signals', 'sentiment', 'num', 0.4),
    ('deal_signals', 'competitors', 'json', 0.2)
  ) AS bricks (kit, brick, of_kind, share)
  CROSS JOIN LATERAL (SELECT (hashtextextended(call_id || brick, 7) & 1048575) / 1048576.0 AS chance) AS drawn
  CROSS JOIN LATERAL (
    SELECT CASE WHEN hashtextextended(call_id || brick, 8) & 15 < 2 THEN 'null' ELSE of_kind END AS kind
  ) AS of_value;

-- name: evidence
-- A quote for each element and for each claim.
INSERT INTO copilot.evidence (call_id, kit, brick, position, call_date, quote, match, match_score, seq, last_seq,
  start_s, speaker, side, said, person_id)
SELECT call_id, kit, brick, 0, call_date, repeat('They said so. ', 6), 'exact', 1, 5, 5, 60, 'Rep', 'rep',
  repeat('They said so. ', 6), '0'
FROM copilot.semarize_scores WHERE kit = 'meddicc' OR value_bool OR value_text LIKE 'weak%%';

-- name: utterances
-- What was said on the calls of some days.
INSERT INTO copilot.utterances (call_id, seq, call_date, person_id, speaker, side, start_s, end_s, text)
SELECT call_id, seq, call_date, (seq %% 4)::text, 'Speaker ' || seq %% 4, CASE WHEN seq %% 4 < 2 THEN 'rep' ELSE 'prospect' END,
  seq * 9, seq * 9 + 8,
  (ARRAY['So the way that most teams begin is with one region. ', 'We looked at the numbers of the last quarter again. ',
    'Our new unified platform is what answers this. ', 'That would have to go through procurement. '])[seq %% 4 + 1]
    || CASE WHEN hashtext(call_id) %% 5 = 0 AND seq = 8 THEN 'Revenue intelligence for everybody.' ELSE '' END
    || repeat('And then we can see what comes out of it. ', seq %% 3)
FROM copilot.calls CROSS JOIN generate_series(0, %(utterances)s - 1) AS seq
WHERE call_date BETWEEN %(first)s AND %(last)s;

-- name: versions
-- What a load records of each day, so that the rows of a day are identified without being read.
INSERT INTO copilot_ops.table_versions (tables, call_date, inputs, files, facts, built_at)
SELECT tables, call_date, '{}', '{}', '{}', now()
FROM (SELECT DISTINCT call_date FROM copilot.calls) AS days CROSS JOIN unnest(ARRAY['calls', 'scores']) AS tables
ON CONFLICT DO NOTHING;
