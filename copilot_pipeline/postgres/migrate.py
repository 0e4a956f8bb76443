"""Migrations of the schema (Alembic), run under a lock so that processes that start together apply them once.

`migrations/versions` holds a Python file per revision, which executes SQL files beside it. Released revisions are never
edited; `HEAD` names the newest one.
"""

from __future__ import annotations

import contextlib
from typing import Any

import psycopg

from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres.session import is_disconnection

HEAD = "0033"  # the newest file in migrations/versions; a test compares it
LOCK_TIMEOUT = "60s"  # for a lock on a table; sessions of readers that block a migration are ended before that
_LOCK = 7_203_114_002


def upgrade_schema(connection: psycopg.Connection[tuple[Any, ...]], url: str) -> None:
    """Apply the missing migrations; one cheap query if none are missing.

    Raises psycopg's `OperationalError` and `InsufficientPrivilege` (the user may not create the schema) unchanged, and
    `ConfigurationError` if a migration fails.
    """
    if _version(connection) == HEAD:
        return
    connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
    try:
        if (version := _version(connection)) != HEAD:
            _migrate(url, version)
    finally:
        with contextlib.suppress(psycopg.OperationalError):  # a lost connection has released the lock
            connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))


def _migrate(url: str, version: str | None) -> None:
    try:
        run_migrations(url)
    except psycopg.errors.InsufficientPrivilege:
        raise
    except psycopg.Error as error:
        if is_disconnection(error):
            raise
        reason = error.diag.message_primary or type(error).__name__
        raise ConfigurationError(
            f"the schema of the database cannot be migrated from {version or 'an empty database'} to {HEAD}: {reason}. "
            "Nothing was changed. Remove the cause, then run the same command again."
        ) from None


def run_migrations(url: str, revision: str = "head") -> None:
    """Apply the migrations up to a revision, without the lock.

    Raises psycopg's errors, and `ConfigurationError` if the schema is newer than this release.
    """
    # Imported here: a process that finds the schema up to date, as almost all do, starts without them.
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError
    from sqlalchemy.exc import DBAPIError

    config = Config()
    # Not as a path: the parser of the configuration replaces %, and the project may be in the folder "100% calls".
    config.set_main_option("script_location", "copilot_pipeline.postgres:migrations")
    config.attributes["lock_timeout"] = LOCK_TIMEOUT
    config.attributes["url"] = url.replace("postgresql://", "postgresql+psycopg://", 1)
    try:
        command.upgrade(config, revision)
        return
    except CommandError as error:
        raise ConfigurationError(
            f"the schema of the database cannot be migrated to {HEAD}, the newest of this release: {error}. If a newer "
            "release migrated it, install that release again."
        ) from None
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.Error):
            raise
        cause = error.orig
    # Raised outside of the handler: inside, each of the two errors would become the cause of the other.
    raise cause


def _version(connection: psycopg.Connection[tuple[Any, ...]]) -> str | None:
    table = connection.execute("SELECT to_regclass('copilot_ops.alembic_version')").fetchone()
    if table is None or table[0] is None:
        return None
    row = connection.execute("SELECT version_num FROM copilot_ops.alembic_version").fetchone()
    return str(row[0]) if row else None
