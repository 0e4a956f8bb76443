"""Migrations of the schema (Alembic), run under a lock so that processes that start together apply them once.

`migrations/versions` holds a Python file per revision, which executes SQL files beside it. Released revisions are never
edited; `HEAD` names the newest one. From 0035 on a migration only adds to the schema, so that processes of the release
before run beside it, or declares in `contracts` the earlier migration since which nothing uses what it removes
(docs/adr/0016-upgrades.md).
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg

from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres.session import is_disconnection

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0052"  # the newest file in migrations/versions; a test compares it
FIRST_WITH_COMPATIBILITY = "0034"  # older schemas have no table that says which releases work with them
# Everything that needs a table waits behind a migration that waits for its lock: so not for long, but repeatedly. The
# last attempt is long enough that sessions of readers that block it are ended.
LOCK_TIMEOUTS = (*("2s",) * 6, "30s")
PAUSE_SECONDS = 3.0
_LOCK = 7_203_114_002
_Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Migration:
    """A migration of this release."""

    version: str
    description: str


def upgrade_schema(connection: _Connection, url: str) -> None:
    """Apply the missing migrations; one cheap query if none are missing.

    Raises psycopg's `OperationalError` and `InsufficientPrivilege` (the user may not create the schema) unchanged, and
    `ConfigurationError` if a migration fails, or if the schema is newer and does not support this release.
    """
    if _is_current(connection):
        return
    connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
    try:
        if not _is_current(connection):
            _migrate(connection, url)
    finally:
        with contextlib.suppress(psycopg.OperationalError):  # a lost connection has released the lock
            connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))


def schema_version(connection: _Connection) -> str | None:
    """Return the newest migration that was applied, such as 0034; None if the database is empty."""
    table = connection.execute("SELECT to_regclass('copilot_ops.alembic_version')").fetchone()
    if table is None or table[0] is None:
        return None
    row = connection.execute("SELECT version_num FROM copilot_ops.alembic_version").fetchone()
    return str(row[0]) if row else None


def newer_schema_problem(connection: _Connection) -> str | None:
    """Return what to do if a newer release has migrated the schema and ended the support of this one."""
    version = schema_version(connection)
    if version is None or version <= HEAD:
        return None
    try:
        row = connection.execute("SELECT version, oldest_supported FROM copilot_ops.schema_compatibility").fetchone()
    except psycopg.errors.ProgrammingError:
        row = None
    if row is not None and row[0] == version and row[1] <= HEAD:
        return None
    return (
        f"the schema of the database was upgraded to {version} by a newer release, which ended the support of this one "
        f"({HEAD}): restart this process with that release. Nothing was changed by this process."
    )


def missing_migrations(version: str | None) -> list[Migration]:
    """Return the migrations that a schema of this version lacks, oldest first."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_config())
    missing = [script for script in scripts.walk_revisions() if version is None or script.revision > version]
    return [Migration(script.revision, (script.doc or "").rstrip(".")) for script in reversed(missing)]


def run_migrations(url: str, revision: str = "head", lock_timeout: str = LOCK_TIMEOUTS[0]) -> None:
    """Apply the migrations up to a revision, each in a transaction, without the lock. Raises psycopg's errors."""
    # Imported here: a process that finds the schema up to date, as almost all do, starts without them.
    from alembic import command
    from sqlalchemy.exc import DBAPIError

    config = _config()
    config.attributes["lock_timeout"] = lock_timeout
    config.attributes["url"] = url.replace("postgresql://", "postgresql+psycopg://", 1)
    try:
        command.upgrade(config, revision)
        return
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.Error):
            raise
        cause = error.orig
    # Raised outside of the handler: inside, each of the two errors would become the cause of the other.
    raise cause


def _is_current(connection: _Connection) -> bool:
    version = schema_version(connection)
    if version is not None and version > HEAD and (problem := newer_schema_problem(connection)) is not None:
        raise ConfigurationError(problem)
    return version is not None and version >= HEAD


def _migrate(connection: _Connection, url: str) -> None:
    before = schema_version(connection) or "an empty database"
    try:
        _run_with_retries(url)
    except psycopg.errors.InsufficientPrivilege:
        raise
    except psycopg.Error as error:
        if is_disconnection(error):
            raise
        reason = error.diag.message_primary or type(error).__name__
        now = schema_version(connection) or "an empty database"
        done = "Nothing was changed" if now == before else f"It is at {now} now"
        raise ConfigurationError(
            f"the schema of the database cannot be migrated from {before} to {HEAD}: {reason}. {done}. Remove the "
            "cause, then run the same command again."
        ) from None


def _run_with_retries(url: str) -> None:
    for timeout in LOCK_TIMEOUTS[:-1]:
        try:
            return run_migrations(url, lock_timeout=timeout)
        except psycopg.errors.LockNotAvailable:
            time.sleep(PAUSE_SECONDS)  # statements that waited behind the migration continue
    return run_migrations(url, lock_timeout=LOCK_TIMEOUTS[-1])


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    # Not as a path: the parser of the configuration replaces %, and the project may be in the folder "100% calls".
    config.set_main_option("script_location", "copilot_pipeline.postgres:migrations")
    return config
