"""Every connection has the same session settings, whatever the server, the database, the role or the process sets."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
import sqlalchemy
from dagster_postgres import DagsterPostgresStorage

from copilot_pipeline.cli import main
from copilot_pipeline.defs.instance import PipelineStorage
from copilot_pipeline.delivery.clock import machine_time
from copilot_pipeline.delivery.outbox_leases import OutboxLeases
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres import Database, open_connection
from copilot_pipeline.postgres.engines import configure_engine
from copilot_pipeline.postgres.session import SESSION_SETTINGS, WRITER_SETTINGS, Connection, connect
from copilot_pipeline.receiver.inbox_connection import InboxConnection
from copilot_pipeline.state.locks import AdvisoryLocks

PACKAGE = Path(__file__).parents[2] / "copilot_pipeline"
MOMENT = datetime(2026, 11, 27, 5, 30, tzinfo=UTC)
FOREIGN_SETTINGS = {
    "timezone": "'America/Los_Angeles'",
    "datestyle": "'German, DMY'",
    "intervalstyle": "'sql_standard'",
    "search_path": "elsewhere",
    "bytea_output": "'escape'",
    "extra_float_digits": "-5",
    "array_nulls": "off",
    "default_transaction_isolation": "'serializable'",
    "client_encoding": "'LATIN1'",
    "standard_conforming_strings": "off",
    "idle_session_timeout": "'2s'",
    "quote_all_identifiers": "on",
    "exit_on_error": "on",
    "row_security": "off",
    "default_transaction_read_only": "on",
    "default_transaction_deferrable": "on",
    "statement_timeout": "'200ms'",
    "lock_timeout": "'1ms'",
    "transaction_timeout": "'200ms'",
}
WRITER = SESSION_SETTINGS | WRITER_SETTINGS


@pytest.fixture
def foreign_database(database_address: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty database whose defaults, and those of the process, are not the usual ones."""
    with psycopg.connect(database_address, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute("CREATE SCHEMA elsewhere")
        for setting, value in FOREIGN_SETTINGS.items():
            if setting != "transaction_timeout" or connection.info.server_version >= 170_000:
                connection.execute(f"ALTER DATABASE {name} SET {setting} = {value}")
    monkeypatch.setenv("PGTZ", "Asia/Tokyo")
    monkeypatch.setenv("PGDATESTYLE", "SQL, DMY")
    monkeypatch.setenv("COPILOT_PIPELINE_DATABASE_URL", database_address)
    return database_address


def settings_of(connection: Connection) -> dict[str, str]:
    """The settings of a session that the pipeline sets."""
    return {
        name: str(connection.execute("SELECT current_setting(%s)", (name,)).fetchone()[0])  # type: ignore[index]
        for name in WRITER
    }


def test_every_connection_has_the_session_settings(foreign_database: str) -> None:
    """The pool, direct connections, locks, leases and the receiver; the schema is migrated under these settings."""
    from copilot_pipeline.config.environment import Environment
    from copilot_pipeline.postgres import open_database

    environment = Environment(copilot_pipeline_database_url=foreign_database, _env_file=None)  # type: ignore[call-arg]
    opened = open_database(environment)
    with opened.connection() as connection:
        assert settings_of(connection) == WRITER
        assert connection.execute("SELECT %s", (MOMENT,)).fetchone() == (MOMENT,)
        assert connection.execute("SELECT %s::timestamptz::text", (MOMENT,)).fetchone() == ("2026-11-27 05:30:00+00",)
        (moment,) = connection.execute("SELECT %s::timestamptz", (MOMENT,)).fetchone() or (None,)
        assert f"{moment:%Y-%m-%d %H:%M}" == "2026-11-27 05:30"
    opened.close()
    with open_connection(foreign_database) as connection:
        assert settings_of(connection) == WRITER
    with AdvisoryLocks(foreign_database) as locks:
        assert settings_of(locks._connection) == WRITER  # type: ignore[arg-type]
    with OutboxLeases(foreign_database, now=machine_time) as leases:
        assert settings_of(leases._connection) == WRITER
    received = InboxConnection(foreign_database, timeout_seconds=2)._connect()
    assert settings_of(received) == WRITER | {"statement_timeout": "2s"}
    received.close()


def test_storage_of_dagster_has_the_session_settings(foreign_database: str) -> None:
    """Its tables are in `public`, and its times in UTC, which it assumes without setting it."""
    storage = PipelineStorage.from_config_value(None, {})
    assert isinstance(storage, DagsterPostgresStorage)
    for part in (storage.run_storage, storage.event_log_storage, storage.schedule_storage):
        with part._engine.connect() as connection:  # type: ignore[union-attr]
            result = {
                name: connection.execute(sqlalchemy.text("SELECT current_setting(:name)"), {"name": name}).scalar()
                for name in WRITER
            }
        assert result == WRITER | {"statement_timeout": "2min"}
    with psycopg.connect(foreign_database) as connection:
        assert connection.execute("SELECT to_regclass('public.runs') IS NOT NULL").fetchone() == (True,)
        assert connection.execute("SELECT to_regclass('elsewhere.runs') IS NULL").fetchone() == (True,)


def test_a_reader_keeps_the_limits_of_its_role(foreign_database: str) -> None:
    """Values have the usual form, and nothing can be written; what a role may spend is not changed."""
    with connect(foreign_database, application_name="test", writes=False) as connection:
        result = settings_of(connection)
        assert result | WRITER_SETTINGS == WRITER
        assert result["default_transaction_read_only"] == "on"
        assert result["lock_timeout"] == "1ms"


def test_a_closed_connection_is_replaced_in_the_pool_of_an_engine(database: Database) -> None:
    """Dagster's storage continues after the server closed its idle connections."""
    engine = sqlalchemy.create_engine(database.url, pool_size=1, isolation_level="AUTOCOMMIT")
    configure_engine(engine)
    with engine.connect() as connection:
        first = connection.execute(sqlalchemy.text("SELECT pg_backend_pid()")).scalar()
    with database.connection() as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (first,))
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("SELECT pg_backend_pid()")).scalar() != first
    engine.dispose()


def test_a_setting_that_the_server_refuses_is_named(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence, raised as an invalid setting."""
    monkeypatch.setitem(SESSION_SETTINGS, "server_version", "1")
    with pytest.raises(ConfigurationError, match='parameter "server_version" cannot be changed'):
        connect(database.url, application_name="test")
    with pytest.raises(ConfigurationError, match="relies on"), open_connection(database.url):
        pass


def test_connections_are_opened_in_one_place() -> None:
    """Only `postgres/` opens connections or engines."""
    opens = re.compile(r"psycopg2?\.connect\(|psycopg2?\.Connection\.connect|\bConnectionPool\(|create_engine\(")
    result = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if opens.search(path.read_text(encoding="utf-8"))
    ]
    assert sorted(result) == [
        "cli/reader.py",  # in a line that it prints for the reader
        "postgres/connections.py",
        "postgres/migrations/env.py",
        "postgres/poolers.py",
        "postgres/session.py",
    ]


def test_commands_print_utc(
    foreign_database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """`sql` prints times in UTC and values in PostgreSQL's usual form."""
    monkeypatch.chdir(tmp_path)
    query = "SELECT '2026-11-27T05:30Z'::timestamptz AS at, '2026-11-27'::date::text AS day, 0.1::float8 AS part"
    monkeypatch.setattr("sys.argv", ["copilot-pipeline", "sql", "--json", query])
    with pytest.raises(SystemExit):
        main()
    assert json.loads(capsys.readouterr().out) == [
        {"at": "2026-11-27T05:30:00+00:00", "day": "2026-11-27", "part": 0.1}
    ]
