CREATE TABLE copilot.rep_calls (
  rep_id text COLLATE "C" NOT NULL,
  call_id text COLLATE "C" NOT NULL,
  call_date date NOT NULL,
  week date NOT NULL,
  started_at timestamptz NOT NULL,
  deal_id text,
  rep_name text,
  manager_id text,
  is_call_rep boolean NOT NULL,
  own_speakers bigint NOT NULL,
  talk_seconds double precision,
  talk_share double precision,
  utterances bigint NOT NULL,
  words bigint NOT NULL,
  review_url text,
  PRIMARY KEY (rep_id, call_id)
);
COMMENT ON TABLE copilot.rep_calls IS 'One row per call and own person who spoke on it, with that person''s own share of the speech.';
COMMENT ON COLUMN copilot.rep_calls.rep_id IS 'The rep: user id, else e-mail address in lower case.';
COMMENT ON COLUMN copilot.rep_calls.call_id IS 'Call id of Clari Copilot.';
COMMENT ON COLUMN copilot.rep_calls.call_date IS 'Day of the call''s start time in the configured time zone (default UTC); the partition of partitioned tables.';
COMMENT ON COLUMN copilot.rep_calls.week IS 'Monday of the call''s week.';
COMMENT ON COLUMN copilot.rep_calls.started_at IS 'Start time of the call.';
COMMENT ON COLUMN copilot.rep_calls.deal_id IS 'Deal of the call.';
COMMENT ON COLUMN copilot.rep_calls.rep_name IS 'Name of the rep.';
COMMENT ON COLUMN copilot.rep_calls.manager_id IS 'User id of the rep''s current manager, which identifies the team.';
COMMENT ON COLUMN copilot.rep_calls.is_call_rep IS 'Whether the rep is the rep of the call (`calls.rep_user_id`).';
COMMENT ON COLUMN copilot.rep_calls.own_speakers IS 'Number of own people who spoke on the call, this rep included.';
COMMENT ON COLUMN copilot.rep_calls.talk_seconds IS 'Seconds of speech of this rep; null if no speech has known times.';
COMMENT ON COLUMN copilot.rep_calls.talk_share IS 'This rep''s own share of all speech, 0 to 1; null if no speech has known times.';
COMMENT ON COLUMN copilot.rep_calls.utterances IS 'Number of utterances of this rep.';
COMMENT ON COLUMN copilot.rep_calls.words IS 'Number of words of this rep.';
COMMENT ON COLUMN copilot.rep_calls.review_url IS 'Page of the call in Clari Copilot.';
COMMENT ON COLUMN copilot.calls.vendor_rep_talk_share IS 'Share of speech of all own speakers together according to the vendor, 0 to 1.';
COMMENT ON COLUMN copilot.calls.rep_talk_share IS 'Share of speech of all own speakers together, recomputed from the transcript, 0 to 1; the share of each is `rep_calls.talk_share`.';
COMMENT ON COLUMN copilot.participants.talk_share IS 'This person''s own share of all speech, 0 to 1; null if no speech has known times.';
