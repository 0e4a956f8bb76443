-- name: share
-- Share the lock of those who store, until the end of the transaction.
SELECT pg_advisory_xact_lock_shared(%(lock)s);

-- name: exclude
-- Wait until no other process is storing, and keep it so until the end of the transaction.
SELECT pg_advisory_xact_lock(%(lock)s);

-- name: newest
-- Return the number of the newest tombstone, 0 if there is none.
SELECT coalesce(max(id), 0) FROM copilot_ops.tombstones;

-- name: all
-- Return all tombstones.
SELECT label, kind, hash, mode, words FROM copilot_ops.tombstones ORDER BY id;

-- name: add
-- Add tombstones that are not there.
INSERT INTO copilot_ops.tombstones (label, kind, hash, mode, words)
SELECT label, kind, hash, mode, words FROM unnest(
  %(label)s::text[], %(kind)s::text[], %(hash)b::bytea[], %(mode)s::text[], %(words)s::integer[]
) AS added (label, kind, hash, mode, words)
ON CONFLICT (kind, hash, label) DO NOTHING;

-- name: has_unfinished
-- Return whether an erasure is in progress, or was killed.
SELECT EXISTS (SELECT FROM copilot_ops.erasures WHERE finished_at IS NULL);
