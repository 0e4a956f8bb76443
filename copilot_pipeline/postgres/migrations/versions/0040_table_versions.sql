CREATE TABLE copilot_ops.table_versions (
  tables text NOT NULL,
  call_date date NOT NULL,
  inputs jsonb NOT NULL,
  files jsonb NOT NULL,
  facts jsonb NOT NULL,
  built_at timestamptz NOT NULL,
  PRIMARY KEY (tables, call_date)
);
COMMENT ON TABLE copilot_ops.table_versions IS 'What each partition of the tables was made from. A partition whose inputs and files are unchanged is not rebuilt.';
COMMENT ON COLUMN copilot_ops.table_versions.tables IS 'The tables that are loaded together: calls or scores; an unpartitioned table by its name.';
COMMENT ON COLUMN copilot_ops.table_versions.inputs IS 'A version or a hash of each input, by name.';
COMMENT ON COLUMN copilot_ops.table_versions.files IS 'Size and time of each Parquet file as it was written, by table; of an unpartitioned table also the time of its snapshot.';
COMMENT ON COLUMN copilot_ops.table_versions.facts IS 'Numbers that were reported with the partition.';

CREATE FUNCTION copilot_ops.forget_table_versions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('copilot.is_loading', true) IS DISTINCT FROM 'on' THEN
    DELETE FROM copilot_ops.table_versions
    WHERE tables = TG_ARGV[0] AND call_date IN (SELECT call_date FROM changed);
  END IF;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION copilot_ops.forget_table_versions IS 'Lets days be rebuilt whose rows were changed by something else than a load.';

CREATE FUNCTION copilot_ops.forget_all_table_versions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM copilot_ops.table_versions WHERE tables = TG_ARGV[0];
  RETURN NULL;
END $$;
COMMENT ON FUNCTION copilot_ops.forget_all_table_versions IS 'Lets all days be rebuilt, because a table was emptied.';

DO $$
DECLARE
  name text;
  tables text;
BEGIN
  FOR name, tables IN SELECT * FROM (VALUES
    ('calls', 'calls'), ('participants', 'calls'), ('transcripts', 'calls'), ('utterances', 'calls'),
    ('topic_mentions', 'calls'), ('competitor_mentions', 'calls'),
    ('semarize_runs', 'scores'), ('semarize_scores', 'scores'), ('evidence', 'scores')) AS loaded
  LOOP
    EXECUTE format('CREATE TRIGGER forget_version_of_updated AFTER UPDATE ON copilot.%I REFERENCING OLD TABLE AS changed
      FOR EACH STATEMENT EXECUTE FUNCTION copilot_ops.forget_table_versions(%L)', name, tables);
    EXECUTE format('CREATE TRIGGER forget_version_of_deleted AFTER DELETE ON copilot.%I REFERENCING OLD TABLE AS changed
      FOR EACH STATEMENT EXECUTE FUNCTION copilot_ops.forget_table_versions(%L)', name, tables);
    EXECUTE format('CREATE TRIGGER forget_versions_of_all AFTER TRUNCATE ON copilot.%I
      FOR EACH STATEMENT EXECUTE FUNCTION copilot_ops.forget_all_table_versions(%L)', name, tables);
  END LOOP;
  FOR name, tables IN SELECT * FROM (VALUES
    ('users', 'users'), ('user_history', 'users'), ('topics', 'topics'), ('scorecards', 'scorecards'),
    ('deals', 'deals'), ('deal_history', 'deals'), ('accounts', 'accounts'), ('bricks', 'bricks')) AS replaced
  LOOP
    EXECUTE format('CREATE TRIGGER forget_version AFTER UPDATE OR DELETE OR TRUNCATE ON copilot.%I
      FOR EACH STATEMENT EXECUTE FUNCTION copilot_ops.forget_all_table_versions(%L)', name, tables);
  END LOOP;
END $$;
