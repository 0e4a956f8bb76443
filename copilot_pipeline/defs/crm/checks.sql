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

-- name: broken_versions
-- Versions of deals, by the day of their start, that overlap the next one, end before they start, or differ from the
-- present deal.
SELECT (valid_from AT TIME ZONE 'UTC')::date AS day, count(*) AS total, count(*) FILTER (
  WHERE valid_to <= valid_from OR valid_to > next_start OR (valid_to IS NULL AND next_start IS NOT NULL)
    OR (valid_to IS NULL AND (versions.stage, versions.amount) IS DISTINCT FROM (deals.stage, deals.amount))
) AS offending
FROM (
  SELECT *, lead(valid_from) OVER (PARTITION BY deal_id ORDER BY valid_from) AS next_start FROM copilot.deal_history
) AS versions LEFT JOIN copilot.deals AS deals USING (deal_id)
GROUP BY 1;
