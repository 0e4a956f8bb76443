"""Roles that can only read: those of analysts, and the one that the command `sql` logs in with.

A group role of the database holds the rights on schema `copilot`. A reader is a member of it, and loses the rights with
the membership; `reader_sessions` ends the sessions of members. What protects the data are missing privileges: every
setting of a role, such as a timeout, is a default that the role may change.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.rows import class_row, dict_row, scalar_row

from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.reader_sessions import LIMITS

_SQL = load_queries(__package__, "reader_roles.sql")
WAREHOUSE = "copilot"
STATE = "copilot_ops"
_MAX_CONNECTIONS = 10
_MAX_TEMPORARY_FILES = "4GB"
_DEFAULTS = {
    "default_transaction_read_only": "on",
    "statement_timeout": f"{LIMITS.statement:.0f}s",
    "idle_in_transaction_session_timeout": f"{LIMITS.idle_in_transaction:.0f}s",
    "lock_timeout": "10s",
}
_IDLE_SESSION_TIMEOUT_SINCE = 140_000
_INHERIT_OPTION_SINCE = 160_000


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """What the present user may do in the database."""

    database_id: int
    database: str
    user: str
    session_user: str
    server_version: int
    is_superuser: bool
    may_create_roles: bool
    is_shared: bool

    @property
    def group(self) -> str:
        """The group role of the readers of this database; roles exist once per server."""
        return f"copilot_readers_{self.database_id}"


def database_facts(connection: Connection) -> DatabaseFacts:
    """Read the facts of a connection."""
    with connection.cursor(row_factory=class_row(DatabaseFacts)) as cursor:
        facts = cursor.execute(_SQL["facts"]).fetchone()
    assert facts is not None
    return facts


def prepare_reader(connection: Connection, role: str, schemas: Sequence[str], password: str | None) -> str | None:
    """Create a role if it does not exist, limit it, and let it read schemas. Must run in a transaction.

    Returns the password of a new role, None for an existing one. Raises `ConfigurationError` if the role has other
    rights, or if the present user may not create roles.
    """
    facts = database_facts(connection)
    with _roles_can_be_created(facts, role):
        _create_group(connection, facts)
        _revoke_from_public(connection, facts)
        created = _create(connection, facts, role, password)
        _limit(connection, facts, role)
        connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(facts.group), sql.Identifier(role)))
        grant_reading(connection, role, [schema for schema in schemas if schema != WAREHOUSE])
    return created


def grant_reading(connection: Connection, role: str, schemas: Sequence[str]) -> None:
    """Let a role read all tables and views of schemas, also future ones."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        missing = cursor.execute(_SQL["unreadable"], {"role": role, "schemas": list(schemas)}).fetchall()
    for schema in missing:
        for grant in (
            "GRANT USAGE ON SCHEMA {schema} TO {role}",
            "GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}",
            # Also tables and views that are created later, such as recreated views of kits.
            "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {role}",
        ):
            connection.execute(sql.SQL(grant).format(schema=sql.Identifier(schema), role=sql.Identifier(role)))


def unmet_limits(connection: Connection, role: str) -> list[str]:
    """Return what a reader may do although it should not, each with what an administrator can do about it."""
    facts = database_facts(connection)
    unmet = []
    with connection.cursor(row_factory=dict_row) as cursor:
        for right in cursor.execute(_SQL["public_rights"]).fetchall():
            unmet.append(f"{role} may {right['may']}, as every role: {right['revoke']}")
    with connection.cursor(row_factory=scalar_row) as cursor:
        if cursor.execute(_SQL["public_functions"]).fetchall():
            unmet.append(
                f"{role} may take advisory locks and create large objects, as every role; docs/operations.md has the "
                "statements for a superuser. Sessions that hold advisory locks are ended"
            )
        writable = cursor.execute(_SQL["writable"], {"role": role}).fetchall()
        if writable:
            unmet.append(f"{role} may change {', '.join(writable)}: revoke the other rights of the role and of PUBLIC")
        if not cursor.execute(_SQL["may_end_sessions"], {"role": role}).fetchone():
            unmet.append(
                f"sessions of {role} cannot be ended when they exceed a limit: "
                f"GRANT {role} TO {facts.user}, or pg_signal_backend"
            )
    return unmet


@contextlib.contextmanager
def _roles_can_be_created(facts: DatabaseFacts, role: str) -> Iterator[None]:
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        reason = error.diag.message_primary
        raise ConfigurationError(
            f"the database user {facts.user} may not create or limit the role {role} ({reason}). As an administrator "
            f"run ALTER ROLE {facts.user} CREATEROLE, or create the role yourself: docs/operations.md#readers has the "
            "statements."
        ) from None


def _create_group(connection: Connection, facts: DatabaseFacts) -> None:
    if not _exists(connection, facts.group):
        connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(facts.group)))
    grant_reading(connection, facts.group, [WAREHOUSE])


def _exists(connection: Connection, role: str) -> bool:
    return connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is not None


def reader_exists(connection: Connection, role: str) -> bool:
    """Return whether a role exists. Raises `ConfigurationError` if it is more than a reader."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        is_privileged = cursor.execute(_SQL["role"], {"role": role}).fetchone()
    if is_privileged:
        raise ConfigurationError(
            f"the role {role} is more than a reader: it is an administrator, owns objects, or belongs to other roles. "
            "Choose another name."
        )
    return is_privileged is not None


def _create(connection: Connection, facts: DatabaseFacts, role: str, password: str | None) -> str | None:
    if reader_exists(connection, role):
        return None
    new_password = password or secrets.token_urlsafe(18)
    statement = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
    connection.execute(
        statement.format(sql.Identifier(role), sql.Literal(password_hash(connection, role, new_password)))
    )
    if not facts.is_superuser:  # so that the pipeline may end its sessions
        option = " WITH INHERIT TRUE, SET FALSE" if facts.server_version >= _INHERIT_OPTION_SINCE else ""
        connection.execute(sql.SQL("GRANT {} TO CURRENT_USER{}").format(sql.Identifier(role), sql.SQL(option)))
    return new_password


def password_hash(connection: Connection, role: str, password: str) -> str:
    """Return the SCRAM verifier of a password, so that the password is in no statement and in no log."""
    return connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()


def _limit(connection: Connection, facts: DatabaseFacts, role: str) -> None:
    name = sql.Identifier(role)
    connections = sql.Literal(_MAX_CONNECTIONS)
    connection.execute(sql.SQL("ALTER ROLE {} INHERIT CONNECTION LIMIT {}").format(name, connections))
    defaults = dict(_DEFAULTS)
    if facts.server_version >= _IDLE_SESSION_TIMEOUT_SINCE:
        defaults["idle_session_timeout"] = f"{LIMITS.idle:.0f}s"
    if facts.is_superuser:  # the role cannot change this one
        defaults["temp_file_limit"] = _MAX_TEMPORARY_FILES
    for setting, value in defaults.items():
        statement = sql.SQL("ALTER ROLE {} SET {} = {}")
        connection.execute(statement.format(name, sql.Identifier(setting), sql.Literal(value)))


def _revoke_from_public(connection: Connection, facts: DatabaseFacts) -> None:
    """Take away what every role may do, in a database that belongs to the pipeline alone.

    Where other users own objects they may need these rights; `unmet_limits` names them.
    """
    if facts.is_shared:
        return
    with connection.cursor(row_factory=dict_row) as cursor:
        statements = [right["revoke"] for right in cursor.execute(_SQL["public_rights"]).fetchall()]
        if facts.is_superuser:
            functions = cursor.execute(_SQL["public_functions"]).fetchall()
            statements += [f"REVOKE EXECUTE ON FUNCTION pg_catalog.{row['signature']} FROM PUBLIC" for row in functions]
    for statement in statements:
        # Without the right to revoke, PostgreSQL warns or refuses; `unmet_limits` reports what is left.
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege), connection.transaction():
            connection.execute(statement.encode())
