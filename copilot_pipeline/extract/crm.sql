-- name: deals_of_calls
-- Return the values of the calls for each linked deal; of each field the newest value that is not null.
SELECT deal_id, count(*) AS calls, min(started_at) AS first_call_at, max(started_at) AS last_call_at,
  (array_agg(deal_name ORDER BY started_at DESC) FILTER (WHERE deal_name IS NOT NULL))[1] AS name,
  (array_agg(crm_system ORDER BY started_at DESC) FILTER (WHERE crm_system IS NOT NULL))[1] AS crm_system,
  (array_agg(account_id ORDER BY started_at DESC) FILTER (WHERE account_id IS NOT NULL))[1] AS account_id,
  (array_agg(account_name ORDER BY started_at DESC) FILTER (WHERE account_name IS NOT NULL))[1] AS account_name,
  (array_agg(deal_value_raw ORDER BY started_at DESC) FILTER (WHERE deal_value_raw IS NOT NULL))[1] AS amount_raw,
  (array_agg(coalesce(deal_stage_live, deal_stage_before_call) ORDER BY started_at DESC)
     FILTER (WHERE coalesce(deal_stage_live, deal_stage_before_call) IS NOT NULL))[1] AS stage,
  (array_agg(deal_close_date ORDER BY started_at DESC) FILTER (WHERE deal_close_date IS NOT NULL))[1] AS close_date
FROM copilot.calls WHERE deal_id IS NOT NULL GROUP BY deal_id ORDER BY deal_id;

-- name: deleted_deals
-- Return the deals that the CRM mirror had and no longer has. Calls stay linked to them.
SELECT deal_id FROM copilot_ops.deals WHERE is_missing AND body IS NOT NULL;

-- name: accounts_of_calls
-- Return the values of the calls for each linked account; of each field the newest value that is not null.
SELECT account_id, count(*) AS calls, count(DISTINCT deal_id) AS deals,
  min(started_at) AS first_call_at, max(started_at) AS last_call_at,
  (array_agg(account_name ORDER BY started_at DESC) FILTER (WHERE account_name IS NOT NULL))[1] AS name,
  (array_agg(crm_system ORDER BY started_at DESC) FILTER (WHERE crm_system IS NOT NULL))[1] AS crm_system
FROM copilot.calls WHERE account_id IS NOT NULL GROUP BY account_id ORDER BY account_id;

-- name: amounts_of_calls
-- Return the amounts of the calls as received, each once, with up to 200 characters.
-- The index of amounts is searched once for each amount, not read for each call.
WITH RECURSIVE known AS (
  SELECT min("left"(deal_value_raw, 200)) AS amount FROM copilot.calls
  UNION ALL
  SELECT (SELECT min("left"(deal_value_raw, 200)) FROM copilot.calls WHERE "left"(deal_value_raw, 200) > known.amount)
  FROM known WHERE known.amount IS NOT NULL
)
SELECT amount AS deal_value_raw FROM known WHERE amount IS NOT NULL;

-- name: amounts_of_deals
-- Return the amounts of the deals as received, each once.
SELECT DISTINCT amount_raw FROM copilot.deals WHERE amount_raw IS NOT NULL;
