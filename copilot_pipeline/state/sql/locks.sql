-- name: acquire
-- Try to lock each id, and return those that were free.
SELECT id FROM unnest(%(ids)s::text[]) AS id WHERE pg_try_advisory_lock(%(namespace)s, hashtext(id));

-- name: wait_for
-- Lock an id when it is free.
SELECT pg_advisory_lock(%(namespace)s, hashtext(%(id)s));

-- name: release
-- Unlock ids.
SELECT pg_advisory_unlock(%(namespace)s, hashtext(id)) FROM unnest(%(ids)s::text[]) AS id;
