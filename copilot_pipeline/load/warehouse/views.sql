-- name: bricks_of_kit
-- Return the bricks of a kit with the kinds of their values; a null value has no kind.
-- The index of bricks is searched once for each brick and kind, however many scores there are.
WITH RECURSIVE known AS (
  (SELECT brick, value_kind FROM copilot.semarize_scores WHERE kit = %(kit)s ORDER BY brick, value_kind LIMIT 1)
  UNION ALL
  SELECT following.brick, following.value_kind FROM known CROSS JOIN LATERAL (
    SELECT brick, value_kind FROM copilot.semarize_scores
    WHERE kit = %(kit)s AND (brick, value_kind) > (known.brick, known.value_kind)
    ORDER BY brick, value_kind LIMIT 1) AS following
)
SELECT brick, coalesce(array_agg(value_kind ORDER BY value_kind)
  FILTER (WHERE value_kind <> 'null'), '{}') AS value_kinds
FROM known GROUP BY brick ORDER BY brick;

-- name: comment_of_view
-- Return the comment of a view; null if there is no such view.
SELECT obj_description(to_regclass(%(view)s), 'pg_class') AS comment;

-- name: readers_of_view
-- Return the roles that may select from a view; null stands for PUBLIC.
SELECT DISTINCT CASE WHEN acl.grantee <> 0 THEN pg_get_userbyid(acl.grantee) END AS role
FROM pg_class, aclexplode(relacl) AS acl
WHERE oid = to_regclass(%(view)s) AND acl.privilege_type = 'SELECT' AND acl.grantee <> relowner;

-- name: fingerprint_of_view
-- Return the hash of the statement that a view was created with.
SELECT value FROM copilot_ops.key_values WHERE name = 'view ' || %(view)s;

-- name: store_fingerprint
-- Record the hash of the statement that a view was created with.
INSERT INTO copilot_ops.key_values (name, value) VALUES ('view ' || %(view)s, %(fingerprint)s)
ON CONFLICT (name) DO UPDATE SET value = excluded.value;
