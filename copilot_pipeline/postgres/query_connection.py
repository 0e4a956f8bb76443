"""The connection of the command `sql`: a login of a role that can only read the schemas of the pipeline.

A real login, because a role that was only set (`SET ROLE`) can be reset by the query itself. The role has no stored
password: each connection sets a new one, which expires after a minute.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg import sql
from psycopg.rows import scalar_row

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres.addresses import checked_url
from copilot_pipeline.postgres.connections import Connection, Database
from copilot_pipeline.postgres.reader_roles import (
    STATE,
    WAREHOUSE,
    database_facts,
    grant_reading,
    password_hash,
    prepare_reader,
    reader_exists,
)
from copilot_pipeline.postgres.session import APPLICATION_NAME, CONNECT_TIMEOUT_SECONDS, connect

_NAME = f"{APPLICATION_NAME} sql"
_VARIABLE = "COPILOT_PIPELINE_READER_DATABASE_URL"
_LOCK = 7_203_114_005  # of processes that set the password and connect
_VALID = timedelta(minutes=1)


def query_connection(database: Database, environment: Environment) -> Connection:
    """Open a connection that can only read: with the configured reader, else with a role of this database.

    Raises `ConfigurationError` if the database user may not create that role, or if the reader is a superuser.
    """
    configured = environment.copilot_pipeline_reader_database_url
    if configured is not None:
        return _as_configured(checked_url(configured, _VARIABLE))
    with database.connection() as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        try:
            role, password = _prepare(connection)
            return _login(database.url, role, password)
        finally:
            connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))


def _prepare(connection: Connection) -> tuple[str, str]:
    """Create the role if it does not exist, and give it a new password."""
    facts = database_facts(connection)
    role = f"copilot_sql_{facts.database_id}"
    password = secrets.token_urlsafe(24)
    with connection.transaction():
        if reader_exists(connection, role):
            grant_reading(connection, facts.group, [WAREHOUSE])
            grant_reading(connection, role, [STATE])
        else:
            prepare_reader(connection, role, [WAREHOUSE, STATE], password)
        with connection.cursor(row_factory=scalar_row) as cursor:
            now = cursor.execute("SELECT clock_timestamp()").fetchone()
        expires = (now if isinstance(now, datetime) else datetime.now(UTC)) + _VALID
        connection.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {} VALID UNTIL {}").format(
                sql.Identifier(role),
                sql.Literal(password_hash(connection, role, password)),
                sql.Literal(expires.isoformat()),
            )
        )
    return role, password


def _login(url: str, role: str, password: str) -> Connection:
    try:
        return connect(url, application_name=_NAME, writes=False, user=role, password=password, options="",
                       connect_timeout=CONNECT_TIMEOUT_SECONDS)  # fmt: skip
    except psycopg.OperationalError as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ConfigurationError(
            f"the role {role}, which can only read, cannot log in: {reason}. Let it pass the pooler or pg_hba.conf, or "
            f"name another reader in {_VARIABLE}."
        ) from None


def _as_configured(url: str) -> Connection:
    try:
        connection = connect(url, application_name=_NAME, writes=False, connect_timeout=CONNECT_TIMEOUT_SECONDS)
    except psycopg.OperationalError as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ConfigurationError(f"the reader does not reach the database: {reason}. Check {_VARIABLE}.") from None
    if database_facts(connection).is_superuser:
        connection.close()
        raise ConfigurationError(f"{_VARIABLE} names a superuser: name a role that can only read.")
    return connection
