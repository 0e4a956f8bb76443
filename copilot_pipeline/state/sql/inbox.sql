-- name: put
-- Add the ids of webhooks whose fingerprints are new, and return these fingerprints.
-- One statement is one round trip and one commit for a batch. Sorted, so that two receivers cannot deadlock.
WITH fresh AS (
  INSERT INTO copilot_ops.seen_webhooks (fingerprint, expires_at)
  SELECT fingerprint, expires_at
  FROM unnest(%(fingerprints)s::bytea[], %(expires_at)s::timestamptz[]) AS received (fingerprint, expires_at)
  ORDER BY fingerprint
  ON CONFLICT DO NOTHING RETURNING fingerprint
), accepted AS (
  SELECT kind, external_id, min(endpoint) AS endpoint, count(*) AS webhooks
  FROM unnest(
    %(kinds)s::text[], %(ids)s::text[], %(endpoints)s::text[], %(signature_hashes)s::bytea[],
    %(message_hashes)s::bytea[]
  ) AS received (kind, external_id, endpoint, signature_hash, message_hash)
  WHERE (signature_hash IS NULL OR signature_hash IN (SELECT fingerprint FROM fresh))
    AND (message_hash IS NULL OR message_hash IN (SELECT fingerprint FROM fresh))
  GROUP BY kind, external_id ORDER BY kind, external_id
), written AS (
  INSERT INTO copilot_ops.inbox AS existing (kind, external_id, endpoint, webhooks)
  SELECT kind, external_id, endpoint, webhooks FROM accepted
  ON CONFLICT (kind, external_id) WHERE leased_at IS NULL
  DO UPDATE SET webhooks = existing.webhooks + excluded.webhooks
)
SELECT fingerprint FROM fresh;

-- name: backlog
-- Return the number of items that can be leased, the newest id and the time of the oldest.
SELECT count(*) AS count, max(id) AS newest_id, min(received_at) AS oldest_received_at FROM copilot_ops.inbox
WHERE acked_at IS NULL AND (%(kind)s::text IS NULL OR kind = %(kind)s)
  AND (leased_at IS NULL
    OR leased_at < clock_timestamp() - make_interval(secs => %(lease_seconds)s * least(attempts, %(max_leases)s)));

-- name: lease
-- Lease the oldest items that are queued or whose lease has expired.
UPDATE copilot_ops.inbox SET leased_at = clock_timestamp(), attempts = attempts + 1
WHERE id IN (
  SELECT id FROM copilot_ops.inbox
  WHERE acked_at IS NULL AND (%(kind)s::text IS NULL OR kind = %(kind)s)
    AND (leased_at IS NULL
      OR leased_at < clock_timestamp() - make_interval(secs => %(lease_seconds)s * least(attempts, %(max_leases)s)))
  ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
RETURNING id, kind, external_id, endpoint, received_at, leased_at, attempts;

-- name: ack
-- Mark items as processed, and return those whose lease was still the caller's.
UPDATE copilot_ops.inbox AS item SET acked_at = clock_timestamp()
FROM unnest(%(ids)s::bigint[], %(leased_at)s::timestamptz[]) AS leased (id, leased_at)
WHERE item.id = leased.id AND item.leased_at = leased.leased_at AND item.acked_at IS NULL
RETURNING item.id;

-- name: release
-- End leases as if they had never been granted.
UPDATE copilot_ops.inbox AS item SET leased_at = 'epoch', attempts = attempts - 1
FROM unnest(%(ids)s::bigint[], %(leased_at)s::timestamptz[]) AS leased (id, leased_at)
WHERE item.id = leased.id AND item.leased_at = leased.leased_at AND item.acked_at IS NULL;

-- name: purge_fingerprints
-- Delete expired fingerprints.
DELETE FROM copilot_ops.seen_webhooks WHERE expires_at < now();

-- name: purge_items
-- Delete items that were processed some days ago.
DELETE FROM copilot_ops.inbox WHERE acked_at < now() - make_interval(days => %(days)s);
