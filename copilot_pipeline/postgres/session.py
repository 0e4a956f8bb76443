"""Session settings: every connection of the pipeline and of Dagster has the same ones.

The defaults of a server, a database, a role or the environment (`ALTER ROLE … SET datestyle`, `PGTZ`) change how times
are displayed, how values become text and which schema an unqualified name means. The settings are sent as a statement
after connecting, because PgBouncer refuses them as start-up options. No other module connects to PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

from copilot_pipeline.errors import ConfigurationError

Connection = psycopg.Connection[tuple[Any, ...]]
CONNECT_TIMEOUT_SECONDS = 10
APPLICATION_NAME = "copilot-pipeline"

SESSION_SETTINGS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "client_encoding": "UTF8",
    # PostgreSQL's own default. Our tables are always qualified, Dagster's are in `public`.
    "search_path": '"$user", public',
    "standard_conforming_strings": "on",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "array_nulls": "on",
    "transform_null_equals": "off",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
    # SQLAlchemy reads the names of types from the catalogue, and does not recognize quoted ones.
    "quote_all_identifiers": "off",
    # A row that the database refuses is quarantined on the same connection.
    "exit_on_error": "off",
    "default_transaction_isolation": "read committed",
    # A connection that holds advisory locks may be idle for as long as its work takes.
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}
# Not for the readers of `sql`, whose roles have limits: `ALTER ROLE … SET statement_timeout` is meant for queries of
# people, and would end a load in the middle.
WRITER_SETTINGS = {
    "default_transaction_read_only": "off",
    "default_transaction_deferrable": "off",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "transaction_timeout": "0",
}
# Settings that older servers do not have
_SINCE_VERSION = {"idle_session_timeout": 140_000, "transaction_timeout": 170_000}


def connect(
    url: str,
    *,
    application_name: str,
    writes: bool = True,
    on_open: Callable[[Connection], None] | None = None,
    **options: Any,
) -> Connection:
    """Open a connection in autocommit mode with the session settings, and those of a writer if it `writes`.

    `on_open` gets the connection before the first statement. Raises psycopg's errors, and `ConfigurationError` if the
    server refuses a session setting.
    """
    connection = psycopg.connect(url, autocommit=True, application_name=application_name, **options)
    try:
        if on_open is not None:
            on_open(connection)
        configure(connection, writes=writes)
    except BaseException:
        connection.close()
        raise
    return connection


def configure(connection: Connection, *, writes: bool = True) -> None:
    """Apply the session settings to a new connection in autocommit mode. Raises `ConfigurationError` if refused."""
    statement, parameters = settings_statement(connection.info.server_version, writes=writes)
    try:
        connection.execute(statement.encode(), parameters)
    except psycopg.Error as error:
        if is_disconnection(error):
            raise
        reason = error.diag.message_primary or type(error).__name__
        raise ConfigurationError(
            f"the database refuses a session setting that the pipeline relies on: {reason}. Configure a PostgreSQL "
            "server that accepts it in COPILOT_PIPELINE_DATABASE_URL."
        ) from None


def settings_statement(server_version: int, *, writes: bool = True, options: str = "") -> tuple[str, list[str]]:
    """Return one statement that applies the settings, and its parameters.

    `server_version`: 140005 for 14.5. `options`: the start-up options of the connection, whose settings stay.
    """
    settings = {
        name: value
        for name, value in (SESSION_SETTINGS | (WRITER_SETTINGS if writes else {})).items()
        if server_version >= _SINCE_VERSION.get(name, 0) and not (name in WRITER_SETTINGS and name in options)
    }
    calls = ", ".join(["set_config(%s, %s, false)"] * len(settings))
    return f"SELECT {calls}", [part for setting in settings.items() for part in setting]


def is_disconnection(error: psycopg.Error) -> bool:
    """Return whether the connection was refused or lost, rather than a statement refused."""
    state = error.sqlstate
    return isinstance(error, psycopg.OperationalError) and (state is None or state.startswith(("08", "57P")))
