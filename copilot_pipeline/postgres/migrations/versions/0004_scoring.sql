ALTER TABLE copilot_ops.semarize_runs ADD COLUMN rescore_id bigint;
COMMENT ON COLUMN copilot_ops.semarize_runs.rescore_id IS 'The order to score again that this run belongs to; null for the first run.';

CREATE TABLE copilot_ops.rescores (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  registered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  finished_at timestamptz
);
CREATE UNIQUE INDEX rescores_open ON copilot_ops.rescores (name) WHERE finished_at IS NULL;
COMMENT ON TABLE copilot_ops.rescores IS 'Orders to score again. An order that was cut off goes on under its id, and pays for nothing twice.';

CREATE TABLE copilot_ops.former_runs (LIKE copilot_ops.semarize_runs INCLUDING COMMENTS);
ALTER TABLE copilot_ops.former_runs ADD COLUMN replaced_at timestamptz NOT NULL DEFAULT clock_timestamp();
CREATE INDEX former_runs_by_call ON copilot_ops.former_runs (call_id);
COMMENT ON TABLE copilot_ops.former_runs IS 'Runs that were replaced by scoring again: what they answered is kept.';

CREATE TABLE copilot_ops.former_transcripts (
  transcript_hash text PRIMARY KEY,
  call_id text NOT NULL,
  text text NOT NULL,
  replaced_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE copilot_ops.former_transcripts IS 'Transcripts that were scored and have changed since.';

CREATE TABLE copilot.evidence (
  call_id text COLLATE "C" NOT NULL,
  kit text COLLATE "C" NOT NULL,
  brick text COLLATE "C" NOT NULL,
  position bigint NOT NULL,
  call_date date NOT NULL,
  quote text NOT NULL,
  match text NOT NULL,
  match_score double precision NOT NULL,
  seq bigint,
  last_seq bigint,
  start_s double precision,
  speaker text,
  side text,
  said text,
  PRIMARY KEY (call_id, kit, brick, position)
);
COMMENT ON TABLE copilot.evidence IS 'One row per quote that a score gives as evidence: where in the transcript it was said, or that it was not.';
CREATE INDEX evidence_by_date ON copilot.evidence USING brin (call_date) WITH (autosummarize);
COMMENT ON COLUMN copilot.evidence.call_id IS 'Clari Copilot''s id of the call.';
COMMENT ON COLUMN copilot.evidence.kit IS 'Our name of the kit.';
COMMENT ON COLUMN copilot.evidence.brick IS 'The brick''s key.';
COMMENT ON COLUMN copilot.evidence.position IS 'Which of the brick''s quotes, from 0.';
COMMENT ON COLUMN copilot.evidence.call_date IS 'The partition: the day of the call''s time.';
COMMENT ON COLUMN copilot.evidence.quote IS 'The quote, as Semarize gave it.';
COMMENT ON COLUMN copilot.evidence.match IS 'exact, normalized (the same words), fuzzy (similar words) or not found.';
COMMENT ON COLUMN copilot.evidence.match_score IS 'How alike, 0 to 1; 0 where it was not found.';
COMMENT ON COLUMN copilot.evidence.seq IS 'The utterance it begins in.';
COMMENT ON COLUMN copilot.evidence.last_seq IS 'The utterance it ends in.';
COMMENT ON COLUMN copilot.evidence.start_s IS 'Start of that utterance, seconds from the start of the call.';
COMMENT ON COLUMN copilot.evidence.speaker IS 'Who said it.';
COMMENT ON COLUMN copilot.evidence.side IS 'rep, prospect or unknown.';
COMMENT ON COLUMN copilot.evidence.said IS 'The words of the transcript: the quote itself where exact, else the utterances it is in.';

CREATE VIEW copilot.scored_transcripts AS
SELECT transcript_hash, call_id, text, true AS is_current FROM copilot.transcripts
UNION ALL
SELECT former.transcript_hash, former.call_id, former.text, false FROM copilot_ops.former_transcripts AS former
WHERE NOT EXISTS (SELECT 1 FROM copilot.transcripts WHERE transcripts.transcript_hash = former.transcript_hash);
COMMENT ON VIEW copilot.scored_transcripts IS 'The text behind every transcript_hash: what was sent to Semarize, then and now.';

CREATE VIEW copilot.calls_without_scores AS
SELECT runs.call_id, runs.call_date, runs.kit, runs.status, runs.error_code,
  coalesce(runs.error_message, 'Semarize has not finished it yet') AS why, runs.run_id, runs.requested_at,
  calls.title, calls.review_url
FROM copilot.semarize_runs AS runs JOIN copilot.calls USING (call_id)
WHERE runs.status <> 'succeeded'
UNION ALL
SELECT calls.call_id, calls.call_date, NULL, calls.status, NULL,
  CASE calls.status WHEN 'ready' THEN 'the vendor says it is ready and there is no transcript'
    WHEN 'pending' THEN 'the vendor is still working on it' WHEN 'no_content' THEN 'nothing was recorded'
    WHEN 'failed' THEN 'the vendor failed to process it' ELSE 'its status is not known' END,
  NULL, NULL, calls.title, calls.review_url
FROM copilot.calls WHERE NOT has_transcript;
COMMENT ON VIEW copilot.calls_without_scores IS 'Which calls have no score, and why.';

CREATE VIEW copilot.kit_versions AS
SELECT kit, kit_version_id, brick, array_agg(DISTINCT value_kind ORDER BY value_kind)
    FILTER (WHERE value_kind <> 'null') AS value_kinds,
  count(*) AS calls, min(call_date) AS first_day, max(call_date) AS last_day
FROM copilot.semarize_scores GROUP BY kit, kit_version_id, brick;
COMMENT ON VIEW copilot.kit_versions IS 'Which versions of a kit answered, with which bricks, of which kinds, from when to when.';
