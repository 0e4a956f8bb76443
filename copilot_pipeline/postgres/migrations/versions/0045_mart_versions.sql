DO $$
DECLARE
  name text;
  mart text;
BEGIN
  FOR name, mart IN SELECT * FROM (VALUES
    ('meddicc_coverage', 'meddicc'), ('meddicc_summary', 'meddicc'), ('meddicc_outcomes', 'meddicc'),
    ('coaching_scores', 'coaching'), ('coaching_regressions', 'coaching'),
    ('claims', 'claim_verification'), ('claim_accuracy', 'claim_verification'), ('message_adoption', 'claim_verification'),
    ('rep_calls', 'reps_on_calls'), ('win_loss_drivers', 'win_loss'), ('win_loss_conclusion', 'win_loss'),
    ('deal_signals', 'open_deals'), ('deal_inspection', 'open_deals'),
    ('conversation_outcomes', 'conversations_against_outcomes'),
    ('pipeline_changes', 'pipeline'), ('pipeline_waterfall', 'pipeline'),
    ('deal_forecast', 'forecast'), ('forecast_summary', 'forecast'), ('forecast_track_record', 'forecast'),
    ('forecast_accuracy', 'forecast')) AS marts
  LOOP
    EXECUTE format('CREATE TRIGGER forget_version AFTER UPDATE OR DELETE OR TRUNCATE ON copilot.%I
      FOR EACH STATEMENT EXECUTE FUNCTION copilot_ops.forget_all_table_versions(%L)', name, 'mart ' || mart);
  END LOOP;
END $$;
COMMENT ON COLUMN copilot_ops.table_versions.tables IS 'The tables that are loaded together: calls, scores, or a mart by its name; another unpartitioned table by its name.';
