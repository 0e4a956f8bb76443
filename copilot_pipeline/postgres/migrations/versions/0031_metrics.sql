CREATE TABLE copilot_ops.metric_values (
  metric text COLLATE "C" NOT NULL,
  labels jsonb NOT NULL,
  bucket double precision NOT NULL,
  value double precision NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (metric, labels, bucket)
) WITH (fillfactor = 50);
COMMENT ON TABLE copilot_ops.metric_values IS 'Counters and histograms that processes add to, and measured sizes: what /metrics exports besides the state itself.';
COMMENT ON COLUMN copilot_ops.metric_values.metric IS 'Name of the metric; with _sum, the sum of a histogram.';
COMMENT ON COLUMN copilot_ops.metric_values.labels IS 'Labels and their values, such as a status. Never a person, a secret or a text of a call.';
COMMENT ON COLUMN copilot_ops.metric_values.bucket IS 'Upper bound of a bucket of a histogram, which counts only the values above the bucket before; 0 for others.';
COMMENT ON COLUMN copilot_ops.metric_values.value IS 'Sum of all increments.';
COMMENT ON COLUMN copilot_ops.metric_values.updated_at IS 'Time of the last increment.';
-- Totals by kit, sink and state are counted from these indexes alone. Few different values: they are small.
CREATE INDEX semarize_runs_by_status ON copilot_ops.semarize_runs (kit, status);
CREATE INDEX semarize_runs_paid ON copilot_ops.semarize_runs (kit) WHERE run_id IS NOT NULL;
CREATE INDEX replaced_runs_paid ON copilot_ops.replaced_runs (kit) WHERE run_id IS NOT NULL;
CREATE INDEX outbox_by_state ON copilot_ops.outbox (sink, state);
UPDATE copilot_ops.unlinked_calls SET reason = 'other CRM' WHERE reason = 'unknown system';
