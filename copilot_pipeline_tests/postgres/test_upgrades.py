"""Old and new processes on one database: what migrations may do, and what a process does with a newer schema."""

from __future__ import annotations

import logging
import threading
from contextlib import closing
from datetime import UTC, datetime

import psycopg
import pytest
from alembic.script import ScriptDirectory

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.errors import ConfigurationError, TemporaryFailure
from copilot_pipeline.postgres import Database, migrate, open_database
from copilot_pipeline.postgres.migrate import FIRST_WITH_COMPATIBILITY, HEAD, run_migrations
from copilot_pipeline.receiver.inbox_connection import InboxConnection
from copilot_pipeline.state.inbox import InboundWebhook, PutResult
from copilot_pipeline_tests.postgres.released_schemas import described, file_of, releases
from copilot_pipeline_tests.postgres.schema_changes import breaking_changes, read_schema

NEWER = "9998"

EXPANDING = (
    "ALTER TABLE copilot.calls ADD COLUMN added text",
    "ALTER TABLE copilot.calls ADD COLUMN added text NOT NULL DEFAULT 'x'",
    "CREATE TABLE copilot_ops.added (x int PRIMARY KEY, y int NOT NULL CHECK (y > 0))",
    "CREATE VIEW copilot.added AS SELECT call_id FROM copilot.calls",
    "CREATE FUNCTION copilot_ops.added(x int) RETURNS int LANGUAGE sql RETURN x",
    "CREATE INDEX added ON copilot.calls (title)",
    "ALTER TABLE copilot_ops.inbox ALTER COLUMN endpoint DROP NOT NULL",
    "CREATE TRIGGER added AFTER UPDATE ON copilot.calls EXECUTE FUNCTION copilot_ops.forget_all_table_versions()",
)
CONTRACTING = {
    "ALTER TABLE copilot.calls DROP COLUMN title CASCADE": "removes the column copilot.calls.title",
    "ALTER TABLE copilot.calls RENAME COLUMN title TO name": "removes the column copilot.calls.title",
    "ALTER TABLE copilot.calls RENAME TO meetings": "removes the table copilot.calls",
    "DROP TABLE copilot_ops.pending_calls CASCADE": "removes the table copilot_ops.pending_calls",
    "ALTER TABLE copilot_ops.inbox ALTER COLUMN endpoint TYPE varchar": "changes the type of copilot_ops.inbox.endp",
    "ALTER TABLE copilot.calls ADD COLUMN added text; ALTER TABLE copilot.calls ALTER COLUMN added SET NOT NULL":
        "demands a value of added of copilot.calls",
    "ALTER TABLE copilot.calls ADD CHECK (title <> '')": "demands the constraint calls_title_check",
    "CREATE UNIQUE INDEX one ON copilot.calls (title)": "demands the unique index one",
    "CREATE TRIGGER one BEFORE UPDATE ON copilot.calls FOR EACH ROW "
    "EXECUTE FUNCTION copilot_ops.forget_all_table_versions('calls')": "demands the trigger one of copilot.calls",
    "ALTER FUNCTION copilot_ops.run_of RENAME TO other": "changes or removes the function copilot_ops.run_of",
    "CREATE FUNCTION copilot_ops.run_of(x int) RETURNS int LANGUAGE sql RETURN x":
        "changes or removes the function copilot_ops.run_of",
}  # fmt: skip


def environment(address: str) -> Environment:
    """An environment with this database only."""
    return Environment(copilot_pipeline_database_url=address, _env_file=None)  # type: ignore[call-arg]


def mark_as_newer(connection: psycopg.Connection[tuple[object, ...]], *, oldest_supported: str) -> None:
    """Record what a migration of a newer release records."""
    connection.execute("UPDATE copilot_ops.alembic_version SET version_num = %s", (NEWER,))
    connection.execute(
        "UPDATE copilot_ops.schema_compatibility SET version = %s, oldest_supported = %s", (NEWER, oldest_supported)
    )


def test_migrations_expand_the_schema_or_name_what_they_contract(database_address: str) -> None:
    """From 0035 on. `contracts` names an earlier migration, which was in a release of the changelog if it has one. The
    schema of a release is what it was then, so an upgrade from it begins where it was tested."""
    released = releases()
    scripts = reversed(list(ScriptDirectory.from_config(migrate._config()).walk_revisions()))
    later = [script for script in scripts if script.revision > FIRST_WITH_COMPATIBILITY]
    run_migrations(database_address, FIRST_WITH_COMPATIBILITY)
    with psycopg.connect(database_address) as connection:
        before = read_schema(connection)
    for script in later:
        run_migrations(database_address, script.revision)
        with psycopg.connect(database_address) as connection:
            after = read_schema(connection)
        contracts = getattr(script.module, "contracts", None)
        if contracts is None:
            assert breaking_changes(before, after) == [], f"{script.revision}: see docs/adr/0016-upgrades.md"
        else:
            assert FIRST_WITH_COMPATIBILITY <= contracts < script.revision
            assert not released or contracts <= max(released.values()), (
                f"{contracts} is in no release yet: contract one later"
            )
        for version in (version for version, schema in released.items() if schema == script.revision):
            assert described(after) == file_of(version).read_text(encoding="utf-8"), version
        before = after
    oldest = max([FIRST_WITH_COMPATIBILITY, *(getattr(script.module, "contracts", "") for script in later)])
    with psycopg.connect(database_address) as connection:
        recorded = connection.execute("SELECT version, oldest_supported FROM copilot_ops.schema_compatibility")
        assert recorded.fetchall() == [(HEAD, oldest)]


def test_changes_that_would_break_running_processes_are_found(database: Database) -> None:
    """Each statement that removes, renames or demands something is named, and none that only adds."""
    found = {}
    with database.connection() as connection:
        with connection.transaction(force_rollback=True):
            before = read_schema(connection)
        for statement in (*EXPANDING, *CONTRACTING):
            with connection.transaction(force_rollback=True):
                connection.execute(statement.encode())
                found[statement] = breaking_changes(before, read_schema(connection))
    assert {statement: found[statement] for statement in EXPANDING} == {statement: [] for statement in EXPANDING}
    assert {s: expected for s, expected in CONTRACTING.items() if not any(expected in one for one in found[s])} == {}


def test_a_newer_schema_that_supports_this_release_is_used_as_it_is(database_address: str, database: Database) -> None:
    """New columns and tables do not matter, and no migration runs."""
    with database.connection() as connection:
        mark_as_newer(connection, oldest_supported=HEAD)
        with closing(open_database(environment(database_address))) as opened, opened.connection() as other:
            version = other.execute("SELECT version_num FROM copilot_ops.alembic_version").fetchone()
        assert version == (NEWER,)
        database.require_supported_schema()


def test_a_process_that_a_newer_release_has_replaced_says_so(database_address: str, database: Database) -> None:
    """At the start, when it looks, and when a statement misses what was removed; other mistakes stay as they are."""
    with database.connection() as connection:
        mark_as_newer(connection, oldest_supported=NEWER)
        connection.execute("ALTER TABLE copilot_ops.calls RENAME COLUMN attempts TO tries")
    expected = rf"upgraded to {NEWER} by a newer release.*\({HEAD}\): restart this process with that release"
    with pytest.raises(ConfigurationError, match=expected):
        open_database(environment(database_address))
    with pytest.raises(ConfigurationError, match=expected):
        database.require_supported_schema()
    with pytest.raises(ConfigurationError, match=expected), database.transaction() as connection:
        connection.execute("SELECT attempts FROM copilot_ops.calls")
    with database.connection() as connection:
        connection.execute("UPDATE copilot_ops.schema_compatibility SET oldest_supported = %s", (HEAD,))
    with pytest.raises(psycopg.errors.UndefinedColumn), database.connection() as connection:
        connection.execute("SELECT attempts FROM copilot_ops.calls")


def test_a_receiver_of_an_old_release_loses_no_webhook(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    """It accepts webhooks for as long as it can write them; then it refuses them (503, so they are sent again)."""
    webhook = InboundWebhook("call", ("c1",), "clari-copilot", datetime.now(UTC), None, None, may_repeat=False)
    with closing(InboxConnection(database.url, 10)) as inbox, database.connection() as connection:
        mark_as_newer(connection, oldest_supported=NEWER)
        assert inbox.put([webhook]) == [PutResult.ACCEPTED]
        connection.execute("ALTER TABLE copilot_ops.inbox RENAME COLUMN external_id TO its_id")
        with caplog.at_level(logging.ERROR), pytest.raises(TemporaryFailure, match="send it again"):
            inbox.put([webhook])
    assert f"upgraded to {NEWER} by a newer release" in caplog.text
    assert "restart this process with that release" in caplog.text


def test_a_migration_that_waits_for_a_lock_lets_others_pass(
    database_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session keeps a table locked. Others still read it while the migration is tried again, until it succeeds."""
    monkeypatch.setattr(migrate, "LOCK_TIMEOUTS", ("50ms",) * 2000)
    monkeypatch.setattr(migrate, "PAUSE_SECONDS", 0.05)
    run_migrations(database_address, "0012")
    attempts = """SELECT count(*) FROM pg_locks JOIN pg_class ON pg_class.oid = relation JOIN pg_database AS present
    ON present.oid = database WHERE relname = 'calls' AND NOT granted AND datname = current_database()"""
    with psycopg.connect(database_address) as holder, psycopg.connect(database_address, autocommit=True) as reader:
        holder.execute("SELECT count(*) FROM copilot_ops.calls")
        done = threading.Event()

        def upgrade() -> None:
            open_database(environment(database_address)).close()
            done.set()

        thread = threading.Thread(target=upgrade, daemon=True)
        thread.start()
        while reader.execute(attempts.encode()).fetchone() == (0,):
            assert thread.is_alive()
        reader.execute("SET statement_timeout = '20s'")
        reader.execute("SELECT count(*) FROM copilot_ops.calls")
        assert not done.is_set()
        holder.rollback()
        thread.join(60)
        assert done.is_set()


def test_a_failing_migration_keeps_those_before_it(database_address: str) -> None:
    """The sentence names the version that was reached; the same command continues from there."""
    run_migrations(database_address, "0029")
    with psycopg.connect(database_address, autocommit=True) as connection:
        connection.execute("CREATE TABLE copilot_ops.metric_values (x int)")
        with pytest.raises(ConfigurationError, match=rf"from 0029 to {HEAD}: .*metric_values.*It is at 0030 now\. "):
            open_database(environment(database_address))
        connection.execute("DROP TABLE copilot_ops.metric_values")
        open_database(environment(database_address)).close()
        assert connection.execute("SELECT version_num FROM copilot_ops.alembic_version").fetchone() == (HEAD,)
