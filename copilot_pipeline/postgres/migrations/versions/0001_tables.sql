CREATE SCHEMA IF NOT EXISTS copilot;
COMMENT ON SCHEMA copilot IS 'Clari Copilot calls, transcripts and Semarize scores.';
CREATE TABLE copilot.calls (
  call_id text COLLATE "C" NOT NULL,
  call_date date NOT NULL,
  title text,
  started_at timestamptz NOT NULL,
  modified_at timestamptz,
  status text NOT NULL,
  status_raw text,
  call_type text,
  disposition text,
  duration_s double precision,
  review_url text,
  source_id text,
  recurring_event_id text,
  organizer_email text,
  rep_name text,
  rep_user_id text,
  rep_email text,
  topics text[],
  vendor_rep_talk_share double precision,
  rep_talk_share double precision,
  vendor_questions bigint,
  questions bigint,
  vendor_questions_by_reps bigint,
  questions_by_reps bigint,
  engaging_questions bigint,
  vendor_speak_duration_s double precision,
  speak_duration_s double precision,
  vendor_longest_monologue_s double precision,
  longest_monologue_s double precision,
  summary text,
  takeaways text[],
  summary_topics jsonb,
  action_items jsonb,
  competitor_sentiments jsonb,
  has_crm_link boolean NOT NULL,
  crm_system text,
  account_id text,
  account_name text,
  deal_id text,
  deal_name text,
  deal_value_raw text,
  deal_value double precision,
  deal_stage_before_call text,
  deal_stage_live text,
  deal_close_date timestamptz,
  contact_ids text[],
  has_transcript boolean NOT NULL,
  fetched_at timestamptz,
  gone_at timestamptz,
  PRIMARY KEY (call_id)
);
COMMENT ON TABLE copilot.calls IS 'One row per call: who, when, status, analytics, deal and account.';
CREATE INDEX calls_by_date ON copilot.calls USING brin (call_date) WITH (autosummarize);
COMMENT ON COLUMN copilot.calls.call_id IS 'Clari Copilot''s id of the call.';
COMMENT ON COLUMN copilot.calls.call_date IS 'The partition: the day of the call''s time.';
COMMENT ON COLUMN copilot.calls.title IS 'Title of the call.';
COMMENT ON COLUMN copilot.calls.started_at IS 'Scheduled time for meetings, start for dialer and ad hoc calls (UTC).';
COMMENT ON COLUMN copilot.calls.modified_at IS 'Last status change at the vendor (UTC).';
COMMENT ON COLUMN copilot.calls.status IS 'ready, pending, no_content, failed or unknown.';
COMMENT ON COLUMN copilot.calls.status_raw IS 'The vendor''s status.';
COMMENT ON COLUMN copilot.calls.call_type IS 'Where the call took place (ZOOM, GOOGLE_MEET, …).';
COMMENT ON COLUMN copilot.calls.disposition IS 'The vendor''s disposition.';
COMMENT ON COLUMN copilot.calls.duration_s IS 'Length in seconds.';
COMMENT ON COLUMN copilot.calls.review_url IS 'The call''s page in Clari Copilot.';
COMMENT ON COLUMN copilot.calls.source_id IS 'Id in the source system; not unique.';
COMMENT ON COLUMN copilot.calls.recurring_event_id IS 'Series the meeting belongs to.';
COMMENT ON COLUMN copilot.calls.organizer_email IS 'E-mail of the organizing user.';
COMMENT ON COLUMN copilot.calls.rep_name IS 'The organizing rep, else the rep who spoke most.';
COMMENT ON COLUMN copilot.calls.rep_user_id IS 'That rep''s user id.';
COMMENT ON COLUMN copilot.calls.rep_email IS 'That rep''s e-mail.';
COMMENT ON COLUMN copilot.calls.topics IS 'Topics the vendor found.';
COMMENT ON COLUMN copilot.calls.vendor_rep_talk_share IS 'The reps'' share of speech by the vendor, 0 to 1.';
COMMENT ON COLUMN copilot.calls.rep_talk_share IS 'The reps'' share of speech, recomputed from the transcript, 0 to 1.';
COMMENT ON COLUMN copilot.calls.vendor_questions IS 'Questions asked, by the vendor.';
COMMENT ON COLUMN copilot.calls.questions IS 'Questions asked, recomputed.';
COMMENT ON COLUMN copilot.calls.vendor_questions_by_reps IS 'Questions asked by reps, by the vendor.';
COMMENT ON COLUMN copilot.calls.questions_by_reps IS 'Questions asked by reps, recomputed.';
COMMENT ON COLUMN copilot.calls.engaging_questions IS 'Engaging questions, by the vendor.';
COMMENT ON COLUMN copilot.calls.vendor_speak_duration_s IS 'Seconds of speech, by the vendor.';
COMMENT ON COLUMN copilot.calls.speak_duration_s IS 'Seconds of speech, recomputed.';
COMMENT ON COLUMN copilot.calls.vendor_longest_monologue_s IS 'Longest monologue in seconds, by the vendor.';
COMMENT ON COLUMN copilot.calls.longest_monologue_s IS 'Longest monologue in seconds, recomputed.';
COMMENT ON COLUMN copilot.calls.summary IS 'The vendor''s summary.';
COMMENT ON COLUMN copilot.calls.takeaways IS 'The vendor''s key takeaways.';
COMMENT ON COLUMN copilot.calls.summary_topics IS 'The vendor''s topics discussed.';
COMMENT ON COLUMN copilot.calls.action_items IS 'The vendor''s action items.';
COMMENT ON COLUMN copilot.calls.competitor_sentiments IS 'The vendor''s competitor sentiments.';
COMMENT ON COLUMN copilot.calls.has_crm_link IS 'The call is linked to a deal or an account in the CRM.';
COMMENT ON COLUMN copilot.calls.crm_system IS 'Which CRM.';
COMMENT ON COLUMN copilot.calls.account_id IS 'Account id in the CRM.';
COMMENT ON COLUMN copilot.calls.account_name IS 'Account name.';
COMMENT ON COLUMN copilot.calls.deal_id IS 'Deal (opportunity) id in the CRM.';
COMMENT ON COLUMN copilot.calls.deal_name IS 'Deal name.';
COMMENT ON COLUMN copilot.calls.deal_value_raw IS 'Deal value as the vendor sent it.';
COMMENT ON COLUMN copilot.calls.deal_value IS 'Deal value as a number, currency signs and commas removed.';
COMMENT ON COLUMN copilot.calls.deal_stage_before_call IS 'Deal stage before the call.';
COMMENT ON COLUMN copilot.calls.deal_stage_live IS 'Deal stage when the details were read.';
COMMENT ON COLUMN copilot.calls.deal_close_date IS 'Expected close date of the deal.';
COMMENT ON COLUMN copilot.calls.contact_ids IS 'Contacts in the CRM.';
COMMENT ON COLUMN copilot.calls.has_transcript IS 'There is a transcript row.';
COMMENT ON COLUMN copilot.calls.fetched_at IS 'When the details were fetched.';
COMMENT ON COLUMN copilot.calls.gone_at IS 'When the call was first missing from the vendor''s list.';
CREATE TABLE copilot.participants (
  call_id text COLLATE "C" NOT NULL,
  person_id text COLLATE "C" NOT NULL,
  call_date date NOT NULL,
  name text,
  email text,
  side text NOT NULL,
  role text,
  user_id text,
  manager_id text,
  is_organizer boolean,
  joined boolean,
  talk_seconds double precision,
  talk_share double precision,
  utterances bigint NOT NULL,
  words bigint NOT NULL,
  PRIMARY KEY (call_id, person_id)
);
COMMENT ON TABLE copilot.participants IS 'One row per person on a call.';
CREATE INDEX participants_by_date ON copilot.participants USING brin (call_date) WITH (autosummarize);
COMMENT ON COLUMN copilot.participants.call_id IS 'Clari Copilot''s id of the call.';
COMMENT ON COLUMN copilot.participants.person_id IS 'The person on this call (the vendor''s personId).';
COMMENT ON COLUMN copilot.participants.call_date IS 'The partition: the day of the call''s time.';
COMMENT ON COLUMN copilot.participants.name IS 'Name.';
COMMENT ON COLUMN copilot.participants.email IS 'E-mail.';
COMMENT ON COLUMN copilot.participants.side IS 'rep, prospect or unknown.';
COMMENT ON COLUMN copilot.participants.role IS 'Role of an internal user: REP, MANAGER or OBSERVER.';
COMMENT ON COLUMN copilot.participants.user_id IS 'User id of an internal user.';
COMMENT ON COLUMN copilot.participants.manager_id IS 'User id of that user''s manager.';
COMMENT ON COLUMN copilot.participants.is_organizer IS 'Organized the call.';
COMMENT ON COLUMN copilot.participants.joined IS 'Seen in the call; null where the vendor does not say.';
COMMENT ON COLUMN copilot.participants.talk_seconds IS 'Seconds this person spoke.';
COMMENT ON COLUMN copilot.participants.talk_share IS 'Share of all speech, 0 to 1.';
COMMENT ON COLUMN copilot.participants.utterances IS 'Utterances of this person.';
COMMENT ON COLUMN copilot.participants.words IS 'Words of this person.';
CREATE TABLE copilot.transcripts (
  call_id text COLLATE "C" NOT NULL,
  call_date date NOT NULL,
  text text NOT NULL,
  words bigint NOT NULL,
  utterances bigint NOT NULL,
  transcript_hash text NOT NULL,
  PRIMARY KEY (call_id)
);
COMMENT ON TABLE copilot.transcripts IS 'One row per call with a transcript: the whole text as `Speaker: text` lines.';
ALTER TABLE copilot.transcripts ALTER COLUMN text SET STORAGE EXTERNAL;
CREATE INDEX transcripts_by_date ON copilot.transcripts USING brin (call_date) WITH (autosummarize);
COMMENT ON COLUMN copilot.transcripts.call_id IS 'Clari Copilot''s id of the call.';
COMMENT ON COLUMN copilot.transcripts.call_date IS 'The partition: the day of the call''s time.';
COMMENT ON COLUMN copilot.transcripts.text IS '`Speaker: text` lines, one an utterance. NUL characters stand as U+FFFD.';
COMMENT ON COLUMN copilot.transcripts.words IS 'Words in the transcript.';
COMMENT ON COLUMN copilot.transcripts.utterances IS 'Utterances in the transcript.';
COMMENT ON COLUMN copilot.transcripts.transcript_hash IS 'SHA-256 of the text: what scoring is keyed on.';
CREATE TABLE copilot.utterances (
  call_id text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  call_date date NOT NULL,
  person_id text,
  speaker text NOT NULL,
  side text NOT NULL,
  start_s double precision,
  end_s double precision,
  text text NOT NULL,
  PRIMARY KEY (call_id, seq)
);
COMMENT ON TABLE copilot.utterances IS 'One row per turn of speech, in time order.';
CREATE INDEX utterances_by_date ON copilot.utterances USING brin (call_date) WITH (autosummarize);
COMMENT ON COLUMN copilot.utterances.call_id IS 'Clari Copilot''s id of the call.';
COMMENT ON COLUMN copilot.utterances.seq IS 'Position in the call, from 0.';
COMMENT ON COLUMN copilot.utterances.call_date IS 'The partition: the day of the call''s time.';
COMMENT ON COLUMN copilot.utterances.person_id IS 'Who spoke (see participants).';
COMMENT ON COLUMN copilot.utterances.speaker IS 'Name of who spoke.';
COMMENT ON COLUMN copilot.utterances.side IS 'rep, prospect or unknown.';
COMMENT ON COLUMN copilot.utterances.start_s IS 'Start, seconds from the start of the call.';
COMMENT ON COLUMN copilot.utterances.end_s IS 'End, seconds from the start of the call.';
COMMENT ON COLUMN copilot.utterances.text IS 'What was said. NUL characters stand as U+FFFD.';
CREATE TABLE copilot.semarize_runs (
  call_id text COLLATE "C" NOT NULL,
  kit text COLLATE "C" NOT NULL,
  call_date date NOT NULL,
  run_id text,
  status text NOT NULL,
  kit_reference text NOT NULL,
  kit_version_id text,
  transcript_hash text NOT NULL,
  bricks bigint NOT NULL,
  requested_at timestamptz,
  finished_at timestamptz,
  duration_ms bigint,
  error_code text,
  error_message text,
  PRIMARY KEY (call_id, kit)
);
COMMENT ON TABLE copilot.semarize_runs IS 'One row per call and kit: the Semarize run that scored the call''s current transcript.';
CREATE INDEX semarize_runs_by_date ON copilot.semarize_runs USING brin (call_date) WITH (autosummarize);
COMMENT ON COLUMN copilot.semarize_runs.call_id IS 'Clari Copilot''s id of the call.';
COMMENT ON COLUMN copilot.semarize_runs.kit IS 'Our name of the kit.';
COMMENT ON COLUMN copilot.semarize_runs.call_date IS 'The partition: the day of the call''s time.';
COMMENT ON COLUMN copilot.semarize_runs.run_id IS 'Semarize''s run id.';
COMMENT ON COLUMN copilot.semarize_runs.status IS 'wanted, queued, running, succeeded, failed, cancelled, refused or skipped.';
COMMENT ON COLUMN copilot.semarize_runs.kit_reference IS 'The kit code or pinned version that was asked for.';
COMMENT ON COLUMN copilot.semarize_runs.kit_version_id IS 'The kit version that answered.';
COMMENT ON COLUMN copilot.semarize_runs.transcript_hash IS 'Hash of the transcript that was scored.';
COMMENT ON COLUMN copilot.semarize_runs.bricks IS 'Bricks in the answer.';
COMMENT ON COLUMN copilot.semarize_runs.requested_at IS 'When the run was asked for.';
COMMENT ON COLUMN copilot.semarize_runs.finished_at IS 'When its end was read.';
COMMENT ON COLUMN copilot.semarize_runs.duration_ms IS 'How long Semarize took, in milliseconds.';
COMMENT ON COLUMN copilot.semarize_runs.error_code IS 'Semarize''s machine code where it failed.';
COMMENT ON COLUMN copilot.semarize_runs.error_message IS 'Why there is no score.';
CREATE TABLE copilot.semarize_scores (
  call_id text COLLATE "C" NOT NULL,
  kit text COLLATE "C" NOT NULL,
  brick text COLLATE "C" NOT NULL,
  call_date date NOT NULL,
  value_kind text NOT NULL,
  value_bool boolean,
  value_num double precision,
  value_text text,
  value_json jsonb,
  confidence double precision,
  reason text,
  evidence text[],
  run_id text,
  kit_version_id text,
  transcript_hash text NOT NULL,
  PRIMARY KEY (call_id, kit, brick)
);
COMMENT ON TABLE copilot.semarize_scores IS 'One row per call, kit and brick: the typed answer in one of the four value columns.';
CREATE INDEX semarize_scores_by_date ON copilot.semarize_scores USING brin (call_date) WITH (autosummarize);
COMMENT ON COLUMN copilot.semarize_scores.call_id IS 'Clari Copilot''s id of the call.';
COMMENT ON COLUMN copilot.semarize_scores.kit IS 'Our name of the kit.';
COMMENT ON COLUMN copilot.semarize_scores.brick IS 'The brick''s key.';
COMMENT ON COLUMN copilot.semarize_scores.call_date IS 'The partition: the day of the call''s time.';
COMMENT ON COLUMN copilot.semarize_scores.value_kind IS 'bool, num, text, json or null: which value column holds the answer.';
COMMENT ON COLUMN copilot.semarize_scores.value_bool IS 'The answer of a yes/no brick.';
COMMENT ON COLUMN copilot.semarize_scores.value_num IS 'The answer of a score brick.';
COMMENT ON COLUMN copilot.semarize_scores.value_text IS 'The answer of a category or text brick.';
COMMENT ON COLUMN copilot.semarize_scores.value_json IS 'The answer of a list brick.';
COMMENT ON COLUMN copilot.semarize_scores.confidence IS 'Confidence, 0 to 1; null where the brick has it switched off.';
COMMENT ON COLUMN copilot.semarize_scores.reason IS 'Why.';
COMMENT ON COLUMN copilot.semarize_scores.evidence IS 'Quotes from the transcript.';
COMMENT ON COLUMN copilot.semarize_scores.run_id IS 'Semarize''s run id.';
COMMENT ON COLUMN copilot.semarize_scores.kit_version_id IS 'The kit version that answered.';
COMMENT ON COLUMN copilot.semarize_scores.transcript_hash IS 'Hash of the transcript that was scored.';
CREATE TABLE copilot.users (
  user_id text COLLATE "C" NOT NULL,
  email text,
  name text,
  role text,
  is_recording boolean,
  manager_id text,
  PRIMARY KEY (user_id)
);
COMMENT ON TABLE copilot.users IS 'Internal users of the workspace.';
COMMENT ON COLUMN copilot.users.user_id IS 'User id.';
COMMENT ON COLUMN copilot.users.email IS 'E-mail.';
COMMENT ON COLUMN copilot.users.name IS 'Name.';
COMMENT ON COLUMN copilot.users.role IS 'REP, MANAGER or OBSERVER.';
COMMENT ON COLUMN copilot.users.is_recording IS 'Has a recording seat.';
COMMENT ON COLUMN copilot.users.manager_id IS 'User id of the manager; null at the top.';
CREATE TABLE copilot.topics (
  topic_id text COLLATE "C" NOT NULL,
  name text,
  kind text,
  team_ids text[],
  description text,
  trackers text[],
  PRIMARY KEY (topic_id)
);
COMMENT ON TABLE copilot.topics IS 'Topics the workspace tracks.';
COMMENT ON COLUMN copilot.topics.topic_id IS 'Topic id.';
COMMENT ON COLUMN copilot.topics.name IS 'Name.';
COMMENT ON COLUMN copilot.topics.kind IS 'Type of topic.';
COMMENT ON COLUMN copilot.topics.team_ids IS 'Teams it is for.';
COMMENT ON COLUMN copilot.topics.description IS 'Description of a custom topic.';
COMMENT ON COLUMN copilot.topics.trackers IS 'Keywords tracked.';
CREATE TABLE copilot.scorecards (
  scorecard_id text COLLATE "C" NOT NULL,
  call_id text,
  kind text,
  rep_id text,
  scorer_id text,
  template_id text,
  total_score double precision,
  remark text,
  answers jsonb,
  PRIMARY KEY (scorecard_id)
);
COMMENT ON TABLE copilot.scorecards IS 'Human scorecards of calls.';
COMMENT ON COLUMN copilot.scorecards.scorecard_id IS 'Scorecard id.';
COMMENT ON COLUMN copilot.scorecards.call_id IS 'The call that was scored.';
COMMENT ON COLUMN copilot.scorecards.kind IS 'Type of scorecard.';
COMMENT ON COLUMN copilot.scorecards.rep_id IS 'User id of who was scored.';
COMMENT ON COLUMN copilot.scorecards.scorer_id IS 'User id of who scored.';
COMMENT ON COLUMN copilot.scorecards.template_id IS 'Template.';
COMMENT ON COLUMN copilot.scorecards.total_score IS 'Total score.';
COMMENT ON COLUMN copilot.scorecards.remark IS 'Remark.';
COMMENT ON COLUMN copilot.scorecards.answers IS 'Question by question: skill, label, order, score.';
CREATE TABLE copilot.deals (
  deal_id text COLLATE "C" NOT NULL,
  name text,
  crm_system text,
  account_id text,
  account_name text,
  amount double precision,
  amount_raw text,
  stage text,
  probability double precision,
  forecast_category text,
  close_date timestamptz,
  created_at timestamptz,
  owner_crm_id text,
  reason text,
  stage_history jsonb,
  close_date_history jsonb,
  calls bigint NOT NULL,
  first_call_at timestamptz,
  last_call_at timestamptz,
  read_at timestamptz,
  PRIMARY KEY (deal_id)
);
COMMENT ON TABLE copilot.deals IS 'Deals that calls are linked to: what the calls say, and the CRM mirror''s record where it was read.';
COMMENT ON COLUMN copilot.deals.deal_id IS 'The deal''s id in the CRM.';
COMMENT ON COLUMN copilot.deals.name IS 'Deal name.';
COMMENT ON COLUMN copilot.deals.crm_system IS 'Which CRM.';
COMMENT ON COLUMN copilot.deals.account_id IS 'Account id in the CRM.';
COMMENT ON COLUMN copilot.deals.account_name IS 'Account name.';
COMMENT ON COLUMN copilot.deals.amount IS 'Amount as a number.';
COMMENT ON COLUMN copilot.deals.amount_raw IS 'Amount as sent.';
COMMENT ON COLUMN copilot.deals.stage IS 'Newest known stage.';
COMMENT ON COLUMN copilot.deals.probability IS 'Probability as sent, as a number.';
COMMENT ON COLUMN copilot.deals.forecast_category IS 'Forecast category.';
COMMENT ON COLUMN copilot.deals.close_date IS 'Close date.';
COMMENT ON COLUMN copilot.deals.created_at IS 'Created in the CRM.';
COMMENT ON COLUMN copilot.deals.owner_crm_id IS 'Owner''s id in the CRM.';
COMMENT ON COLUMN copilot.deals.reason IS 'Reason given for the deal''s end.';
COMMENT ON COLUMN copilot.deals.stage_history IS 'Stage changes.';
COMMENT ON COLUMN copilot.deals.close_date_history IS 'Close date changes.';
COMMENT ON COLUMN copilot.deals.calls IS 'Calls linked to it.';
COMMENT ON COLUMN copilot.deals.first_call_at IS 'First linked call.';
COMMENT ON COLUMN copilot.deals.last_call_at IS 'Last linked call.';
COMMENT ON COLUMN copilot.deals.read_at IS 'When the CRM mirror''s record was read; null where only calls speak of the deal.';
