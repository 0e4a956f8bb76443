-- name: facts
-- Return what the present user may do in this database, and whether it is shared with other users.
SELECT (SELECT oid FROM pg_database WHERE datname = current_database())::bigint AS database_id,
  current_database() AS database, current_user AS "user", session_user AS session_user,
  current_setting('server_version_num')::int AS server_version,
  r.rolsuper AS is_superuser, r.rolsuper OR r.rolcreaterole AS may_create_roles,
  EXISTS (
    SELECT FROM pg_shdepend d JOIN pg_roles o ON o.oid = d.refobjid
    WHERE d.deptype = 'o' AND d.refclassid = 'pg_authid'::regclass AND NOT o.rolsuper AND o.rolname <> current_user
      AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
  ) AS is_shared
FROM pg_roles r WHERE r.rolname = current_user;

-- name: role
-- Return a role, if it exists; is_privileged: it is or belongs to more than a reader.
SELECT r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls
  OR r.rolname IN (current_user, session_user)
  OR EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
    WHERE m.member = r.oid AND g.rolname NOT LIKE 'copilot\_readers\_%%')
  OR EXISTS (SELECT FROM pg_class c WHERE c.relowner = r.oid)
  OR EXISTS (SELECT FROM pg_database d WHERE d.datdba = r.oid) AS is_privileged
FROM pg_roles r WHERE r.rolname = %(role)s;

-- name: public_functions
-- Return the functions, executable by everyone, that lock, notify, or write without a table.
SELECT p.oid::regprocedure::text AS signature FROM pg_proc p
WHERE p.pronamespace = 'pg_catalog'::regnamespace AND has_function_privilege('public', p.oid, 'EXECUTE')
  AND (p.proname LIKE 'pg\_advisory\_%' OR p.proname LIKE 'pg\_try\_advisory\_%'
    OR p.proname IN ('lo_creat', 'lo_create', 'lo_from_bytea', 'pg_notify', 'pg_logical_emit_message'));

-- name: public_rights
-- Return what everyone may do in this database that changes or fills it: one row per right, with what takes it away.
SELECT 'create temporary tables' AS may, format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database()) AS revoke
WHERE has_database_privilege('public', current_database(), 'TEMP')
UNION ALL
SELECT 'create tables in the schema public', 'REVOKE CREATE ON SCHEMA public FROM PUBLIC'
WHERE to_regnamespace('public') IS NOT NULL AND has_schema_privilege('public', 'public', 'CREATE')
UNION ALL
SELECT 'run PL/pgSQL blocks', 'REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC'
WHERE has_language_privilege('public', 'plpgsql', 'USAGE');

-- name: unreadable
-- Return the schemas of which a role cannot read the schema itself, a table or a view.
SELECT n.nspname AS name FROM pg_namespace n
WHERE n.nspname = ANY(%(schemas)s) AND (
  NOT has_schema_privilege(%(role)s, n.oid, 'USAGE')
  OR EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND NOT has_table_privilege(%(role)s, c.oid, 'SELECT')));

-- name: may_end_sessions
-- Return whether the present user may end the sessions of a role.
SELECT pg_has_role(current_user, %(role)s, 'USAGE') AS may;

-- name: writable
-- Return the tables of the pipeline and of Dagster that a role may change.
SELECT c.oid::regclass::text AS name FROM pg_class c
WHERE c.relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('copilot', 'copilot_ops', 'public'))
  AND c.relkind IN ('r', 'p', 'v') AND has_table_privilege(%(role)s, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
LIMIT 5;

-- name: overdue_sessions
-- Return the sessions of readers that exceed a limit, lock what only the pipeline locks, or block another session.
WITH readers AS (
  SELECT a.* FROM pg_stat_activity a
  WHERE a.datname = current_database() AND a.usename NOT IN (current_user, session_user) AND a.usesysid IN (
    SELECT m.member FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
    WHERE NOT m.admin_option AND g.rolname = 'copilot_readers_'
      || (SELECT oid FROM pg_database WHERE datname = current_database())::text)
)
SELECT r.pid FROM readers r
WHERE (r.state = 'active' AND r.query_start < clock_timestamp() - make_interval(secs => %(statement)s))
  OR r.xact_start < clock_timestamp() - make_interval(secs => %(transaction)s)
  OR (r.state LIKE 'idle in transaction%%'
    AND r.state_change < clock_timestamp() - make_interval(secs => %(idle_in_transaction)s))
  OR (r.state = 'idle' AND r.state_change < clock_timestamp() - make_interval(secs => %(idle)s))
  OR EXISTS (SELECT FROM pg_locks l WHERE l.pid = r.pid AND l.locktype = 'advisory')
  OR EXISTS (SELECT FROM pg_stat_activity b WHERE b.datname = r.datname AND b.wait_event_type = 'Lock'
    AND b.pid NOT IN (SELECT pid FROM readers) AND r.pid = ANY (pg_blocking_pids(b.pid))
    AND b.state_change < clock_timestamp() - make_interval(secs => %(blocking)s));
