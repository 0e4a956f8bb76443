-- name: calls_without_crm_link
-- Transcribed calls of each day that are linked to no deal and no account.
SELECT call_date AS day, count(*) FILTER (WHERE NOT has_crm_link) AS offending, count(*) AS total
FROM copilot.calls WHERE has_transcript AND call_date >= %(first)s GROUP BY 1;

-- name: unlinked_calls
-- Calls of each day that a route would write to a CRM where they have no record.
SELECT call_date AS day, count(DISTINCT call_id) AS offending, count(DISTINCT call_id) AS total
FROM copilot_ops.unlinked_calls JOIN copilot.calls USING (call_id) WHERE call_date >= %(first)s GROUP BY 1;

-- name: unknown_deals
-- Calls of each day, of any age, that are linked to a deal that the table of deals does not have.
SELECT call_date AS day, count(*) FILTER (WHERE deals.deal_id IS NULL) AS offending, count(*) AS total
FROM copilot.calls LEFT JOIN copilot.deals USING (deal_id)
WHERE calls.deal_id IS NOT NULL GROUP BY 1;
