ALTER TABLE copilot.transcripts ADD COLUMN redacted_text text;
ALTER TABLE copilot.transcripts ADD COLUMN redaction text;
COMMENT ON COLUMN copilot.transcripts.transcript_hash IS 'SHA-256 of the text; if it is redacted, of the policy and the redacted text.';
COMMENT ON COLUMN copilot.transcripts.speech_hash IS 'Hash of the words and of the side that said them, without names. A call is scored again if it changes; the redaction follows it, and alone does not score a call again.';
COMMENT ON COLUMN copilot.transcripts.redacted_text IS 'The text that is scored, if redaction is set to `before: scoring`; else null.';
COMMENT ON COLUMN copilot.transcripts.redaction IS 'Policy that redacted the text that is scored (privacy.redact); null without redaction.';
COMMENT ON COLUMN copilot.scored_transcripts.transcript_hash IS 'SHA-256 of the text; if it is redacted, of the policy and the redacted text.';
COMMENT ON COLUMN copilot_ops.semarize_runs.speech_hash IS 'What makes it another run: <hash of the words>:<hash of the sides>. The redaction of the text that was sent follows, if any: it alone makes no other run.';
COMMENT ON COLUMN copilot_ops.replaced_runs.speech_hash IS 'What makes it another run: <hash of the words>:<hash of the sides>. The redaction of the text that was sent follows, if any: it alone makes no other run.';

CREATE OR REPLACE VIEW copilot.scored_transcripts AS
SELECT transcript_hash, call_id, coalesce(redacted_text, text) AS text, true AS is_current FROM copilot.transcripts
UNION ALL
SELECT replaced.transcript_hash, replaced.call_id, replaced.text, false FROM copilot_ops.replaced_transcripts AS replaced
WHERE NOT EXISTS (SELECT 1 FROM copilot.transcripts WHERE transcripts.transcript_hash = replaced.transcript_hash);

-- Another redaction of the same words and sides is the same run: scoring it again is requested, and its price is stated.
CREATE OR REPLACE FUNCTION copilot_ops.run_of(
  of_call_id text, of_kit text, of_kit_reference text, of_transcript_hash text, of_speech_hash text
) RETURNS SETOF copilot_ops.semarize_runs LANGUAGE sql STABLE AS $$
  SELECT * FROM copilot_ops.semarize_runs AS runs
  WHERE runs.call_id = of_call_id AND runs.kit = of_kit AND runs.kit_reference = of_kit_reference
    AND (runs.transcript_hash = of_transcript_hash
      OR split_part(runs.speech_hash, ':', 1) = nullif(split_part(of_speech_hash, ':', 1), '')
        AND split_part(runs.speech_hash, ':', 2) IN (split_part(of_speech_hash, ':', 2), ''))
  ORDER BY runs.rescore_id DESC NULLS LAST, (runs.status = 'succeeded') DESC,
    (runs.transcript_hash = of_transcript_hash) DESC, runs.requested_at DESC, runs.transcript_hash
  LIMIT 1
$$;
