-- name: correct_versions_of_calls
-- Replace the versions of deals that were known from their calls only, once the CRM's record is read: what the calls say
-- is older than the record, and what the record adds has not changed.
WITH provisional AS (
  DELETE FROM copilot.deal_history AS version USING copilot.deals AS seen
  WHERE version.deal_id = seen.deal_id AND version.origin = 'calls' AND seen.read_at IS NOT NULL
  RETURNING version.deal_id, version.valid_from
)
INSERT INTO copilot.deal_history (deal_id, valid_from, stage, amount, currency, close_date, owner_crm_id,
  forecast_category, probability, origin, seen_at)
SELECT seen.deal_id, earliest.valid_from, seen.stage, seen.amount, seen.currency, seen.close_date, seen.owner_crm_id,
  seen.forecast_category, seen.probability, 'refresh', greatest(now(), earliest.valid_from)
FROM (SELECT deal_id, min(valid_from) AS valid_from FROM provisional GROUP BY deal_id) AS earliest
JOIN copilot.deals AS seen USING (deal_id);

-- name: close_deal_versions
-- End the present version of each deal that has changed or is no longer among the deals.
-- A deal that the CRM had and no longer has is not among them, although calls are linked to it.
UPDATE copilot.deal_history AS version
SET valid_to = greatest(now(), version.valid_from + interval '1 microsecond')
WHERE version.valid_to IS NULL AND NOT EXISTS (
  SELECT FROM copilot.deals AS seen
  WHERE seen.deal_id = version.deal_id
    AND (seen.stage, seen.amount, seen.currency, seen.close_date, seen.owner_crm_id, seen.forecast_category,
      seen.probability) IS NOT DISTINCT FROM (version.stage, version.amount, version.currency, version.close_date,
      version.owner_crm_id, version.forecast_category, version.probability)
    AND NOT EXISTS (
      SELECT FROM copilot_ops.deals AS record
      WHERE record.deal_id = seen.deal_id AND record.is_missing AND record.body IS NOT NULL));

-- name: open_deal_versions
-- Add a version for each deal that has none at present, from the end of its last one if clocks went back.
INSERT INTO copilot.deal_history (deal_id, valid_from, stage, amount, currency, close_date, owner_crm_id,
  forecast_category, probability, origin, seen_at)
SELECT seen.deal_id, greatest(now(), earlier.ended_at), seen.stage, seen.amount, seen.currency, seen.close_date,
  seen.owner_crm_id, seen.forecast_category, seen.probability,
  CASE WHEN seen.read_at IS NULL THEN 'calls' ELSE 'refresh' END, greatest(now(), earlier.ended_at)
FROM copilot.deals AS seen
LEFT JOIN (
  SELECT deal_id, max(valid_to) AS ended_at, bool_or(valid_to IS NULL) AS is_present
  FROM copilot.deal_history GROUP BY deal_id
) AS earlier USING (deal_id)
WHERE earlier.is_present IS NOT TRUE AND NOT EXISTS (
  SELECT FROM copilot_ops.deals AS record
  WHERE record.deal_id = seen.deal_id AND record.is_missing AND record.body IS NOT NULL);

-- name: deals_without_earlier_versions
-- Return the deals of whose time before the first version nothing is known, and what the CRM records of that time. The
-- CRM's record may be read later than the first refresh, which then saw the deal in its calls only.
SELECT deals.deal_id, deals.stage, deals.close_date, deals.created_at, deals.stage_history::text AS stage_history,
  deals.close_date_history::text AS close_date_history, earlier.first_seen_at, now() AS seen_at
FROM copilot.deals AS deals JOIN (
  SELECT deal_id, min(valid_from) AS first_seen_at FROM copilot.deal_history
  GROUP BY deal_id HAVING bool_and(origin <> 'vendor')
) AS earlier USING (deal_id)
WHERE deals.stage_history IS NOT NULL OR deals.close_date_history IS NOT NULL
ORDER BY deals.deal_id;

-- name: close_user_versions
-- End the present version of each user who has changed or is no longer among the users.
UPDATE copilot.user_history AS version
SET valid_to = greatest(now(), version.valid_from + interval '1 microsecond')
WHERE version.valid_to IS NULL AND NOT EXISTS (
  SELECT FROM copilot.users AS seen
  WHERE seen.user_id = version.user_id
    AND (seen.name, seen.email, seen.role, seen.is_recording, seen.manager_id) IS NOT DISTINCT FROM
      (version.name, version.email, version.role, version.is_recording, version.manager_id));

-- name: open_user_versions
-- Add a version for each user who has none at present, from the end of the last one if clocks went back.
INSERT INTO copilot.user_history (user_id, valid_from, name, email, role, is_recording, manager_id, seen_at)
SELECT seen.user_id, greatest(now(), earlier.ended_at), seen.name, seen.email, seen.role, seen.is_recording,
  seen.manager_id, greatest(now(), earlier.ended_at)
FROM copilot.users AS seen
LEFT JOIN (
  SELECT user_id, max(valid_to) AS ended_at, bool_or(valid_to IS NULL) AS is_present
  FROM copilot.user_history GROUP BY user_id
) AS earlier USING (user_id)
WHERE earlier.is_present IS NOT TRUE;
