-- Only the beginning of a very long text is searched, because a vector has at most 1 MB.
-- Not inlined and with a high cost: the planner must prefer the index to computing the words of a range of days.
CREATE FUNCTION copilot.words(spoken text) RETURNS tsvector LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 10000
AS $$ BEGIN
  RETURN pg_catalog.to_tsvector('pg_catalog.english'::pg_catalog.regconfig, pg_catalog."left"(spoken, 100000));
END $$;
COMMENT ON FUNCTION copilot.words IS 'Words of a text as they are searched: without endings, English.';
CREATE FUNCTION copilot.says(spoken text, query text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT copilot.words(spoken) OPERATOR(pg_catalog.@@)
  pg_catalog.websearch_to_tsquery('pg_catalog.english'::pg_catalog.regconfig, query) $$;
COMMENT ON FUNCTION copilot.says IS 'Whether a text has the words of a query, such as: price or discount, "go live", -pilot. It uses the index of utterances.text.';
-- Reading goes on while the index is built; loading waits. docs/performance.md has the time by number of rows.
SET LOCAL maintenance_work_mem = '256MB';
CREATE INDEX utterances_by_word ON copilot.utterances USING gin (copilot.words(text));
CREATE VIEW copilot.spoken AS
SELECT calls.call_id, calls.call_date, calls.started_at, calls.title, calls.rep_user_id, calls.rep_name, calls.rep_email,
  calls.account_id, calls.account_name, calls.deal_id, calls.deal_name, utterances.seq, utterances.person_id,
  utterances.speaker, utterances.side, utterances.start_s, utterances.text, calls.review_url
FROM copilot.utterances JOIN copilot.calls USING (call_id, call_date) WHERE calls.removed_at IS NULL;
COMMENT ON VIEW copilot.spoken IS 'One row per utterance with its call, without removed calls; for searches: `copilot.says(text, ''pricing'')`.';
COMMENT ON COLUMN copilot.spoken.call_id IS 'Call id of Clari Copilot.';
COMMENT ON COLUMN copilot.spoken.call_date IS 'Day of the call''s start time in the configured time zone (default UTC); the partition of partitioned tables.';
COMMENT ON COLUMN copilot.spoken.started_at IS 'Scheduled start of meetings, actual start of dialer and ad hoc calls (UTC).';
COMMENT ON COLUMN copilot.spoken.title IS 'Title.';
COMMENT ON COLUMN copilot.spoken.rep_user_id IS 'User id of that rep.';
COMMENT ON COLUMN copilot.spoken.rep_name IS 'Name of the organizing rep, else of the rep who spoke most.';
COMMENT ON COLUMN copilot.spoken.rep_email IS 'E-mail of that rep.';
COMMENT ON COLUMN copilot.spoken.account_id IS 'Account id in the CRM.';
COMMENT ON COLUMN copilot.spoken.account_name IS 'Account name.';
COMMENT ON COLUMN copilot.spoken.deal_id IS 'Deal (opportunity) id in the CRM.';
COMMENT ON COLUMN copilot.spoken.deal_name IS 'Deal name.';
COMMENT ON COLUMN copilot.spoken.seq IS 'Position in the call, from 0.';
COMMENT ON COLUMN copilot.spoken.person_id IS 'Person id of the speaker (see participants).';
COMMENT ON COLUMN copilot.spoken.speaker IS 'Name of the speaker.';
COMMENT ON COLUMN copilot.spoken.side IS 'rep, prospect or unknown.';
COMMENT ON COLUMN copilot.spoken.start_s IS 'Start, in seconds from the start of the call.';
COMMENT ON COLUMN copilot.spoken.text IS 'Spoken text. NUL characters are replaced by U+FFFD.';
COMMENT ON COLUMN copilot.spoken.review_url IS 'Page of the call in Clari Copilot.';
