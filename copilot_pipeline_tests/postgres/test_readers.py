"""A reader reads, and can neither lift a limit nor keep the pipeline from working."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.load.warehouse.readers import grant_reader, limits_of_reader
from copilot_pipeline.postgres import Connection, Database, migrate, open_database, reader_sessions
from copilot_pipeline.postgres.query_connection import query_connection
from copilot_pipeline.postgres.reader_sessions import ReaderLimits, end_overdue_sessions

ATTACKS = [
    # files and programs of the server
    "COPY (SELECT 1) TO PROGRAM 'touch /tmp/copilot_attack'",
    "COPY copilot.calls FROM PROGRAM 'id'",
    "COPY (SELECT 1) TO '/tmp/copilot_attack'",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_read_binary_file('postgresql.conf')",
    "SELECT pg_ls_dir('.')",
    "SELECT pg_stat_file('/etc/passwd')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT * FROM pg_hba_file_rules",
    "LOAD '/tmp/evil.so'",
    "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE c AS '/lib/x86_64-linux-gnu/libc.so.6', 'system'",
    # other rights
    "SET ROLE postgres",
    "SET SESSION AUTHORIZATION postgres",
    "SELECT set_config('role', 'postgres', false)",
    "SELECT query_to_xml('SELECT pg_read_file(''/etc/passwd'')', true, true, '')",
    "SELECT set_config('session_authorization', 'postgres', false), query_to_xml('TABLE pg_authid', true, true, '')",
    "DO $$ BEGIN RESET ROLE; EXECUTE 'COPY (SELECT 1) TO PROGRAM ''id'''; END $$",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "ALTER ROLE CURRENT_USER CONNECTION LIMIT -1",
    "ALTER ROLE CURRENT_USER SET temp_file_limit = -1",
    "SET temp_file_limit = -1",
    "SET log_statement = 'all'",
    "SET session_replication_role = replica",
    "GRANT pg_read_server_files TO CURRENT_USER",
    "SELECT rolpassword FROM pg_authid",
    "CREATE ROLE mine",
    "ALTER SYSTEM SET shared_preload_libraries = 'x'",
    # writing
    "CREATE TEMP TABLE mine AS SELECT * FROM copilot.calls",
    "SELECT 1 INTO TEMP mine",
    "CREATE TABLE public.mine ()",
    "CREATE SCHEMA mine",
    "CREATE EXTENSION vector",
    "CREATE VIEW copilot.mine AS SELECT 1",
    "CREATE FUNCTION public.now() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
    "DO $$ BEGIN RAISE LOG 'x'; END $$",
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT lo_create(0)",
    "SELECT pg_logical_emit_message(false, 'a', 'b')",
    "SELECT setval(oid, 1) FROM pg_class WHERE relkind = 'S' AND relnamespace = 'copilot_ops'::regnamespace",
    "UPDATE copilot.calls SET title = 'x'",
    "DELETE FROM copilot_ops.calls",
    "TRUNCATE copilot.calls",
    "MERGE INTO copilot.calls c USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE",
    "COMMENT ON TABLE copilot.calls IS 'x'",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "DECLARE mine CURSOR WITH HOLD FOR SELECT pg_sleep_for('1s') FROM copilot.calls, pg_authid",
    "PREPARE mine AS DELETE FROM copilot.calls; EXECUTE mine",
    "WITH gone AS (DELETE FROM copilot.calls RETURNING 1) SELECT * FROM gone",
    # hindering the pipeline
    "SELECT pg_advisory_lock(7203114002)",
    "SELECT pg_advisory_lock_shared(720311, 1)",
    "SELECT pg_try_advisory_xact_lock(1, n) FROM generate_series(1, 100000) AS n",
    "SELECT pg_notify('run_events', 'x')",
    "BEGIN; LOCK TABLE copilot.calls IN SHARE MODE",
    "SELECT * FROM copilot.calls FOR UPDATE",
    "SELECT * FROM copilot.calls FOR KEY SHARE",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
    "SELECT pg_reload_conf()",
    "SELECT pg_switch_wal()",
]
OUTSIDE = ["SELECT * FROM public.mine", "SELECT * FROM copilot_ops.outbox"]


@pytest.fixture
def reader(database: Database) -> Iterator[str]:
    """The address of the database as a reader."""
    name = f"reader_{uuid.uuid4().hex[:8]}"
    yield make_conninfo(database.url, user=name, password=grant_reader(database, name))
    with database.connection() as connection:
        connection.execute(f"DROP ROLE {name}".encode())


@pytest.fixture
def owner(database_address: str) -> str:
    """The address of an empty database as its owner, who is no superuser but may create roles."""
    name = f"owner_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(database_address, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN CREATEROLE PASSWORD 'of-this-test'".encode())
        connection.execute(f"ALTER DATABASE {connection.info.dbname} OWNER TO {name}".encode())
    return make_conninfo(database_address, user=name, password="of-this-test")


def open_as(address: str) -> Database:
    """Open a database with the schema."""
    parts = conninfo_to_dict(address)
    url = f"postgresql://{parts['user']}:{parts['password']}@/{parts['dbname']}?host={parts['host']}"
    return open_database(Environment(copilot_pipeline_database_url=url, _env_file=None))  # type: ignore[call-arg]


def not_refused(connection: Connection, attacks: list[str]) -> dict[str, str]:
    """Return the attacks that PostgreSQL does not refuse for a missing privilege, with what happened."""
    result = {}
    for attack in attacks:
        try:
            connection.execute(attack.encode())
        except psycopg.errors.InsufficientPrivilege:
            connection.rollback()
        except psycopg.Error as error:
            result[attack] = str(error).splitlines()[0]
        else:
            result[attack] = "succeeded"
    return result


def test_no_attack_of_a_reader_succeeds(database: Database, reader: str) -> None:
    """Even after it has lifted every setting that it may change."""
    assert limits_of_reader(database, str(conninfo_to_dict(reader)["user"])) == []
    with psycopg.connect(reader, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off; SET statement_timeout = 0; SET lock_timeout = 0")
        with database.connection() as ours:
            ours.execute("CREATE TABLE public.mine ()")
        assert connection.execute("SELECT count(*) FROM copilot.calls").fetchone() == (0,)
        assert not_refused(connection, [*ATTACKS, *OUTSIDE]) == {}


def test_no_attack_on_the_command_succeeds(database: Database) -> None:
    """`sql` logs in as a role that can only read the two schemas: there is nothing to go back to."""
    with closing(query_connection(database, _environment())) as connection:
        role = connection.execute("SELECT session_user").fetchone()
        connection.execute("RESET ROLE; RESET SESSION AUTHORIZATION")
        assert connection.execute("SELECT current_user").fetchone() == role != ("postgres",)
        assert connection.execute("SELECT current_setting('is_superuser')").fetchone() == ("off",)
        connection.execute("SET default_transaction_read_only = off; SET statement_timeout = 0; SET lock_timeout = 0")
        assert not_refused(connection, ATTACKS) == {}


def _environment(**variables: str) -> Environment:
    return Environment(_env_file=None, **variables)  # type: ignore[call-arg,arg-type]


def test_the_password_of_the_command_expires(database: Database) -> None:
    """It is in no file and no table, and is good for a minute."""
    with closing(query_connection(database, _environment())) as connection:
        role = connection.info.user
    with database.connection() as connection:
        row = connection.execute(
            "SELECT rolvaliduntil BETWEEN now() AND now() + interval '1 minute', left(rolpassword, 13)"
            " FROM pg_authid WHERE rolname = %s",
            (role,),
        ).fetchone()
    assert row == (True, "SCRAM-SHA-256")


def test_sessions_that_exceed_a_limit_are_ended(database: Database, reader: str) -> None:
    """Whatever the reader has set; sessions within the limits, and those of others, stay."""
    with closing(psycopg.connect(reader, autocommit=True)) as idle, closing(psycopg.connect(reader)) as in_transaction:
        for connection in (idle, in_transaction):
            connection.execute("SET idle_in_transaction_session_timeout = 0")
        with database.connection() as connection:
            assert end_overdue_sessions(connection) == 0
            assert end_overdue_sessions(connection, ReaderLimits(idle_in_transaction=0)) == 1
            assert end_overdue_sessions(connection, ReaderLimits(idle=0)) == 1
            while connection.execute("SELECT FROM pg_stat_activity WHERE usename LIKE 'reader%'").fetchone():
                pass  # the server is ending them
            assert end_overdue_sessions(connection, ReaderLimits(0, 0, 0, 0, 0)) == 0  # never one of the pipeline
    with closing(psycopg.connect(reader, autocommit=True)) as connection, database.connection() as ours:
        connection.pgconn.send_query(b"SELECT pg_sleep(100)")
        while not end_overdue_sessions(ours, ReaderLimits(statement=0)):
            pass


def test_the_number_of_connections_is_limited(reader: str) -> None:
    """A reader cannot use up the connections of the server."""
    with ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(psycopg.connect(reader))
        with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
            psycopg.connect(reader)


def test_readers_of_an_owner_who_is_no_superuser(owner: str) -> None:
    """Advisory locks cannot be revoked there: sessions that hold one, or block the pipeline, are ended."""
    with closing(open_as(owner)) as database:
        name = f"reader_{uuid.uuid4().hex[:8]}"
        reader = make_conninfo(owner, user=name, password=grant_reader(database, name))
        (limit,) = [limit for limit in limits_of_reader(database, name) if "advisory" in limit]
        assert "docs/operations.md" in limit
        with closing(psycopg.connect(reader, autocommit=True)) as locking, database.connection() as ours:
            locking.execute("SET default_transaction_read_only = off")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                locking.execute("CREATE TEMP TABLE mine ()")
            locking.execute("SELECT pg_advisory_lock(7203114002)")
            assert end_overdue_sessions(ours) == 1
            ours.execute("SELECT pg_advisory_lock(7203114002)")
        with (
            closing(psycopg.connect(reader)) as blocking,
            database.connection() as ours,
            database.connection() as other,
        ):
            blocking.execute("SELECT 1 FROM copilot.calls")
            ours.pgconn.send_query(b"ALTER TABLE copilot.calls ADD COLUMN later int")
            while not end_overdue_sessions(other, ReaderLimits(blocking=0)):
                pass
            while ours.pgconn.get_result():
                pass
            assert other.execute("SELECT count(later) FROM copilot.calls").fetchone() == (0,)
        with closing(query_connection(database, _environment())) as connection:
            assert connection.execute("SELECT count(*) FROM copilot_ops.calls").fetchone() == (0,)


def test_a_lock_of_a_reader_delays_the_pipeline_only_for_seconds(owner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An open database ends the session that holds an advisory lock, while a statement waits for it."""
    monkeypatch.setattr(reader_sessions, "_FIRST_SECONDS", 0.5)
    with closing(open_as(owner)) as database:
        name = f"reader_{uuid.uuid4().hex[:8]}"
        reader = make_conninfo(owner, user=name, password=grant_reader(database, name))
        with closing(psycopg.connect(reader, autocommit=True)) as locking:
            locking.execute("SELECT pg_advisory_lock(720311, 1)")
            with closing(open_as(owner)) as waiting, waiting.connection() as ours:
                ours.execute("SET statement_timeout = '20s'")
                ours.execute("SELECT pg_advisory_lock(720311, 1)")
            with pytest.raises(psycopg.OperationalError):
                locking.execute("SELECT 1")


def test_a_migration_does_not_wait_forever(database_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a session of another user that has read a table and stays in its transaction."""
    monkeypatch.setattr(migrate, "LOCK_TIMEOUTS", ("50ms", "100ms"))
    monkeypatch.setattr(migrate, "PAUSE_SECONDS", 0.0)
    migrate.run_migrations(database_address, "0001")
    with psycopg.connect(database_address) as connection:
        connection.execute("LOCK TABLE copilot_ops.alembic_version IN SHARE MODE")
        with pytest.raises(ConfigurationError, match=r"cannot be migrated from 0001 .* lock timeout"):
            open_database(_environment(copilot_pipeline_database_url=database_address))


def test_a_user_that_may_not_create_roles_is_told_what_to_do(owner: str, database_address: str) -> None:
    """One sentence for `reader` and for `sql`; a reader that an administrator has created can be configured."""
    name = conninfo_to_dict(owner)["user"]
    with closing(open_as(owner)) as database:
        with psycopg.connect(database_address, autocommit=True) as administrator:
            administrator.execute(f"ALTER ROLE {name} NOCREATEROLE".encode())
        with pytest.raises(ConfigurationError, match=rf"may not create .* run ALTER ROLE {name} CREATEROLE"):
            grant_reader(database, "anna")
        with pytest.raises(ConfigurationError, match="may not create"):
            query_connection(database, _environment())
        url = database.url
        with closing(query_connection(database, _environment(copilot_pipeline_reader_database_url=url))) as connection:
            assert connection.execute("SELECT session_user").fetchone() == (name,)
        with pytest.raises(ConfigurationError, match="names a superuser"):
            query_connection(database, _environment(copilot_pipeline_reader_database_url=database_address))


def test_a_role_with_other_rights_is_no_reader(database: Database) -> None:
    """An administrator, the pipeline's own role, or an owner of tables would be limited, or not limited enough."""
    for name in ("postgres", "pg_monitor", "copilot_sql_1", "anna\n"):
        with pytest.raises(ConfigurationError):
            grant_reader(database, name)
    name = f"owner_{uuid.uuid4().hex[:8]}"
    with database.connection() as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN IN ROLE pg_read_server_files".encode())
        with pytest.raises(ConfigurationError, match="more than a reader"):
            grant_reader(database, name)
        connection.execute(f"DROP ROLE {name}".encode())


def test_a_shared_database_keeps_the_rights_of_everyone(database: Database) -> None:
    """Other users of it may need temporary tables; the command names the right and how it is revoked."""
    other, name = (f"{kind}_{uuid.uuid4().hex[:8]}" for kind in ("other", "reader"))
    with database.connection() as connection:
        connection.execute(f"CREATE ROLE {other}; CREATE SCHEMA theirs AUTHORIZATION {other}".encode())
        grant_reader(database, name)
        limits = limits_of_reader(database, name)
        assert any("REVOKE TEMPORARY ON DATABASE" in limit for limit in limits)
        assert connection.execute(
            "SELECT has_database_privilege(%s, current_database(), 'TEMP')", (other,)
        ).fetchone() == (True,)
        connection.execute(f"DROP OWNED BY {other}; DROP ROLE {other}; DROP ROLE {name}".encode())
