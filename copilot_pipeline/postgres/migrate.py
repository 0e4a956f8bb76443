"""Migrations of the schema (Alembic), run under a lock so that processes that start together apply them once.

`migrations/versions` holds a Python file per revision, which executes SQL files beside it. Released revisions are never
edited; `HEAD` names the newest one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

HEAD = "0012"  # the newest file in migrations/versions; a test compares it
_LOCK = 7_203_114_002


def upgrade_schema(connection: psycopg.Connection[tuple[Any, ...]], url: str) -> None:
    """Apply the missing migrations; one cheap query if none are missing.

    Raises psycopg's errors unchanged, such as `InsufficientPrivilege` if the user may not create the schema.
    """
    if _version(connection) == HEAD:
        return
    connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
    try:
        if _version(connection) != HEAD:
            run_migrations(url)
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))


def run_migrations(url: str, revision: str = "head") -> None:
    """Apply the migrations up to a revision, without the lock. Raises psycopg's errors."""
    # Imported here: a process that finds the schema up to date, as almost all do, starts without them.
    from alembic import command
    from alembic.config import Config
    from sqlalchemy.exc import DBAPIError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["url"] = url.replace("postgresql://", "postgresql+psycopg://", 1)
    try:
        command.upgrade(config, revision)
    except DBAPIError as error:
        if isinstance(error.orig, psycopg.Error):
            raise error.orig from None
        raise


def _version(connection: psycopg.Connection[tuple[Any, ...]]) -> str | None:
    table = connection.execute("SELECT to_regclass('copilot_ops.alembic_version')").fetchone()
    if table is None or table[0] is None:
        return None
    row = connection.execute("SELECT version_num FROM copilot_ops.alembic_version").fetchone()
    return str(row[0]) if row else None
