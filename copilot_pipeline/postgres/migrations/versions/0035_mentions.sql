CREATE TABLE copilot.topic_mentions (
  call_id text COLLATE "C" NOT NULL,
  position bigint NOT NULL,
  call_date date NOT NULL,
  topic text NOT NULL,
  origin text NOT NULL,
  seq bigint,
  person_id text,
  speaker text,
  side text,
  start_s double precision,
  sentence text,
  summary text,
  started_at timestamptz NOT NULL,
  rep_user_id text,
  rep_name text,
  deal_id text,
  PRIMARY KEY (call_id, position)
);
CREATE INDEX topic_mentions_by_date ON copilot.topic_mentions USING brin (call_date) WITH (autosummarize);
COMMENT ON TABLE copilot.topic_mentions IS 'One row per sentence of a call in which a topic of the vendor came up; a topic without a sentence has one row.';
COMMENT ON COLUMN copilot.topic_mentions.call_id IS 'Call id of Clari Copilot.';
COMMENT ON COLUMN copilot.topic_mentions.position IS 'Position among the mentions of the call, from 0.';
COMMENT ON COLUMN copilot.topic_mentions.call_date IS 'Day of the call''s start time in the configured time zone (default UTC); the partition of partitioned tables.';
COMMENT ON COLUMN copilot.topic_mentions.topic IS 'Topic, as the vendor names it.';
COMMENT ON COLUMN copilot.topic_mentions.origin IS 'How the sentence was found. phrase: the vendor matched a phrase of the topic at this time. section: said in a section of the vendor''s summary about the topic. name: the sentence names the topic. list: the vendor lists the topic, and no sentence was found.';
COMMENT ON COLUMN copilot.topic_mentions.seq IS 'Utterance of the sentence (see utterances); null if the transcript has none.';
COMMENT ON COLUMN copilot.topic_mentions.person_id IS 'Person id of the speaker (see participants).';
COMMENT ON COLUMN copilot.topic_mentions.speaker IS 'Name of the speaker.';
COMMENT ON COLUMN copilot.topic_mentions.side IS 'rep, prospect or unknown.';
COMMENT ON COLUMN copilot.topic_mentions.start_s IS 'Start of the utterance, in seconds from the start of the call.';
COMMENT ON COLUMN copilot.topic_mentions.sentence IS 'The sentence; null if the transcript has none.';
COMMENT ON COLUMN copilot.topic_mentions.summary IS 'The vendor''s summary of the section; null for other origins.';
COMMENT ON COLUMN copilot.topic_mentions.started_at IS 'Start time of the call.';
COMMENT ON COLUMN copilot.topic_mentions.rep_user_id IS 'User id of the call''s rep (`calls.rep_user_id`).';
COMMENT ON COLUMN copilot.topic_mentions.rep_name IS 'Name of the call''s rep.';
COMMENT ON COLUMN copilot.topic_mentions.deal_id IS 'Deal id in the CRM.';
CREATE TABLE copilot.competitor_mentions (
  call_id text COLLATE "C" NOT NULL,
  position bigint NOT NULL,
  call_date date NOT NULL,
  competitor text NOT NULL,
  origin text NOT NULL,
  seq bigint,
  person_id text,
  speaker text,
  side text,
  start_s double precision,
  sentence text,
  sentiment text,
  reasoning text,
  started_at timestamptz NOT NULL,
  rep_user_id text,
  rep_name text,
  deal_id text,
  PRIMARY KEY (call_id, position)
);
CREATE INDEX competitor_mentions_by_date ON copilot.competitor_mentions USING brin (call_date) WITH (autosummarize);
COMMENT ON TABLE copilot.competitor_mentions IS 'One row per sentence of a call in which a competitor came up that the vendor found on the call.';
COMMENT ON COLUMN copilot.competitor_mentions.call_id IS 'Call id of Clari Copilot.';
COMMENT ON COLUMN copilot.competitor_mentions.position IS 'Position among the mentions of the call, from 0.';
COMMENT ON COLUMN copilot.competitor_mentions.call_date IS 'Day of the call''s start time in the configured time zone (default UTC); the partition of partitioned tables.';
COMMENT ON COLUMN copilot.competitor_mentions.competitor IS 'Competitor, as the vendor names it.';
COMMENT ON COLUMN copilot.competitor_mentions.origin IS 'How the sentence was found. sentiment: the turn that the vendor rated. name: the sentence names the competitor. list: the vendor lists the competitor, and no sentence was found.';
COMMENT ON COLUMN copilot.competitor_mentions.seq IS 'Utterance of the sentence (see utterances); null if the transcript has none.';
COMMENT ON COLUMN copilot.competitor_mentions.person_id IS 'Person id of the speaker (see participants).';
COMMENT ON COLUMN copilot.competitor_mentions.speaker IS 'Name of the speaker.';
COMMENT ON COLUMN copilot.competitor_mentions.side IS 'rep, prospect or unknown.';
COMMENT ON COLUMN copilot.competitor_mentions.start_s IS 'Start of the utterance, in seconds from the start of the call.';
COMMENT ON COLUMN copilot.competitor_mentions.sentence IS 'The sentence; null if the transcript has none.';
COMMENT ON COLUMN copilot.competitor_mentions.sentiment IS 'Sentiment of the vendor; null unless it rated this sentence.';
COMMENT ON COLUMN copilot.competitor_mentions.reasoning IS 'The vendor''s reason for the sentiment.';
COMMENT ON COLUMN copilot.competitor_mentions.started_at IS 'Start time of the call.';
COMMENT ON COLUMN copilot.competitor_mentions.rep_user_id IS 'User id of the call''s rep (`calls.rep_user_id`).';
COMMENT ON COLUMN copilot.competitor_mentions.rep_name IS 'Name of the call''s rep.';
COMMENT ON COLUMN copilot.competitor_mentions.deal_id IS 'Deal id in the CRM.';
CREATE INDEX topic_mentions_by_topic ON copilot.topic_mentions (lower(topic), call_date);
CREATE INDEX competitor_mentions_by_name ON copilot.competitor_mentions (lower(competitor), call_date);
