-- name: deals_to_read
-- Return the linked deals that were never read, or are not closed and were last read long ago.
-- The index of deals is searched once for each of them, not read for each call.
WITH RECURSIVE linked AS (
  SELECT min(deal_id) AS deal_id FROM copilot.calls
  UNION ALL
  SELECT (SELECT min(deal_id) FROM copilot.calls WHERE deal_id > linked.deal_id)
  FROM linked WHERE linked.deal_id IS NOT NULL
)
SELECT linked.deal_id FROM linked LEFT JOIN copilot_ops.deals AS stored USING (deal_id)
WHERE linked.deal_id IS NOT NULL
  AND (stored.deal_id IS NULL OR (NOT stored.is_closed AND stored.read_at < now() - %(read_again_after)s))
ORDER BY 1;

-- name: store_deal
-- Store a deal; without a body, keep the one that was stored before.
INSERT INTO copilot_ops.deals AS stored (deal_id, read_at, is_missing, is_closed, body)
VALUES (%(id)s, now(), %(is_missing)s, %(is_closed)s, %(body)s)
ON CONFLICT (deal_id) DO UPDATE SET read_at = excluded.read_at, is_missing = excluded.is_missing,
  is_closed = excluded.is_closed, body = coalesce(excluded.body, stored.body);

-- name: stored_deals
-- Return the stored deals.
SELECT deal_id AS id, read_at, body FROM copilot_ops.deals WHERE body IS NOT NULL;

-- name: accounts_to_read
-- Return the linked accounts that were never read, or are not closed and were last read long ago.
-- The index of accounts is searched once for each of them, not read for each call.
WITH RECURSIVE linked AS (
  SELECT min(account_id) AS account_id FROM copilot.calls
  UNION ALL
  SELECT (SELECT min(account_id) FROM copilot.calls WHERE account_id > linked.account_id)
  FROM linked WHERE linked.account_id IS NOT NULL
)
SELECT linked.account_id FROM linked LEFT JOIN copilot_ops.accounts AS stored USING (account_id)
WHERE linked.account_id IS NOT NULL
  AND (stored.account_id IS NULL OR (NOT stored.is_closed AND stored.read_at < now() - %(read_again_after)s))
ORDER BY 1;

-- name: store_account
-- Store an account; without a body, keep the one that was stored before.
INSERT INTO copilot_ops.accounts AS stored (account_id, read_at, is_missing, is_closed, body)
VALUES (%(id)s, now(), %(is_missing)s, %(is_closed)s, %(body)s)
ON CONFLICT (account_id) DO UPDATE SET read_at = excluded.read_at, is_missing = excluded.is_missing,
  is_closed = excluded.is_closed, body = coalesce(excluded.body, stored.body);

-- name: stored_accounts
-- Return the stored accounts.
SELECT account_id AS id, read_at, body FROM copilot_ops.accounts WHERE body IS NOT NULL;
