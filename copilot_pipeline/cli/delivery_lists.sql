-- name: titled_calls
-- Return the day, the title and the name of the deal of some calls.
SELECT calls.call_id, calls.call_date, calls.title, deals.name AS deal
FROM copilot.calls LEFT JOIN copilot.deals USING (deal_id)
WHERE calls.call_id = ANY(%(call_ids)s);
