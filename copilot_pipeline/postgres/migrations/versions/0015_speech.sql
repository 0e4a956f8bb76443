ALTER TABLE copilot.transcripts ADD COLUMN speech_hash text;
ALTER TABLE copilot.semarize_runs ADD COLUMN speech_hash text;
ALTER TABLE copilot_ops.semarize_runs ADD COLUMN speech_hash text;
ALTER TABLE copilot_ops.replaced_runs ADD COLUMN speech_hash text;
COMMENT ON COLUMN copilot.transcripts.speech_hash IS 'Hash of the words and of the side that said them, without names. A call is scored again if it changes.';
COMMENT ON COLUMN copilot.transcripts.transcript_hash IS 'SHA-256 of the text.';
COMMENT ON COLUMN copilot.semarize_runs.speech_hash IS 'speech_hash of the transcript: the result is that of these words.';
COMMENT ON COLUMN copilot.semarize_runs.transcript_hash IS 'Hash of the text that was scored; its labels may be older.';
COMMENT ON COLUMN copilot.scored_transcripts.transcript_hash IS 'SHA-256 of the text.';
COMMENT ON TABLE copilot_ops.semarize_runs IS 'One paid run per call, kit and speech. The row is written before the request is sent.';
COMMENT ON COLUMN copilot_ops.semarize_runs.transcript_hash IS 'SHA-256 of the text that is sent: the labels of its speakers may be older than those of the transcript.';
COMMENT ON COLUMN copilot_ops.semarize_runs.speech_hash IS 'What makes it another run: <hash of the words>:<hash of the sides>. Only the words (`<hash>:`) in rows of versions before 0.2.';
COMMENT ON COLUMN copilot_ops.replaced_runs.transcript_hash IS 'SHA-256 of the text that is sent: the labels of its speakers may be older than those of the transcript.';
COMMENT ON COLUMN copilot_ops.replaced_runs.speech_hash IS 'What makes it another run: <hash of the words>:<hash of the sides>. Only the words (`<hash>:`) in rows of versions before 0.2.';

CREATE OR REPLACE VIEW copilot_ops.open_semarize_runs AS
SELECT call_id, kit, kit_reference, transcript_hash, call_date, idempotency_key, status, run_id, kit_version_id,
  requested_at, finished_at, duration_ms, error_code, error_message, answer, rescore_id, next_attempt_at, speech_hash
FROM copilot_ops.semarize_runs WHERE status IN ('pending', 'queued', 'running', 'unknown');

-- Inlined by the planner: the primary key finds the few runs of the call.
CREATE FUNCTION copilot_ops.run_of(
  of_call_id text, of_kit text, of_kit_reference text, of_transcript_hash text, of_speech_hash text
) RETURNS SETOF copilot_ops.semarize_runs LANGUAGE sql STABLE AS $$
  SELECT * FROM copilot_ops.semarize_runs AS runs
  WHERE runs.call_id = of_call_id AND runs.kit = of_kit AND runs.kit_reference = of_kit_reference
    AND (runs.transcript_hash = of_transcript_hash
      OR runs.speech_hash IN (of_speech_hash, split_part(of_speech_hash, ':', 1) || ':'))
  ORDER BY runs.rescore_id DESC NULLS LAST, (runs.status = 'succeeded') DESC,
    (runs.transcript_hash = of_transcript_hash) DESC, runs.requested_at DESC, runs.transcript_hash
  LIMIT 1
$$;
COMMENT ON FUNCTION copilot_ops.run_of IS 'The run of a speech: the newest of those that a version before 0.2 paid for each spelling of names, a rescored or succeeded one first.';

CREATE TEMPORARY TABLE present_speech (id text, speech_hash text) ON COMMIT DROP;
CREATE TEMPORARY TABLE replaced_speech (id text, speech_hash text) ON COMMIT DROP;

-- fill
UPDATE copilot_ops.semarize_runs AS runs SET speech_hash = replaced.speech_hash
FROM replaced_speech AS replaced WHERE replaced.id = runs.transcript_hash;
UPDATE copilot.transcripts AS texts SET speech_hash = present.speech_hash
FROM present_speech AS present WHERE present.id = texts.call_id;
UPDATE copilot_ops.semarize_runs AS runs SET speech_hash = texts.speech_hash
FROM copilot.transcripts AS texts
WHERE (texts.call_id, texts.transcript_hash) = (runs.call_id, runs.transcript_hash);
UPDATE copilot.semarize_runs AS shown SET speech_hash = texts.speech_hash
FROM copilot.transcripts AS texts
WHERE (texts.call_id, texts.transcript_hash) = (shown.call_id, shown.transcript_hash);
