-- name: add
-- Add increments to the recorded counters. Sorted, so that two processes cannot deadlock.
INSERT INTO copilot_ops.metric_values AS known (metric, labels, bucket, value)
SELECT metric, labels::jsonb, bucket, value
FROM unnest(%(metrics)s::text[], %(labels)s::text[], %(buckets)s::float8[], %(values)s::float8[])
  AS added (metric, labels, bucket, value)
ORDER BY metric, labels::jsonb, bucket
ON CONFLICT (metric, labels, bucket)
DO UPDATE SET value = known.value + excluded.value, updated_at = clock_timestamp();

-- name: forget
-- Delete the values of some metrics, which are about to be measured again.
DELETE FROM copilot_ops.metric_values WHERE metric = ANY(%(metrics)s);

-- name: values
-- Return all recorded values.
SELECT metric, labels, bucket, value FROM copilot_ops.metric_values ORDER BY metric, labels, bucket;

-- name: value
-- Return one recorded value that has no labels.
SELECT value FROM copilot_ops.metric_values WHERE metric = %(metric)s AND labels = '{}' AND bucket = 0;
