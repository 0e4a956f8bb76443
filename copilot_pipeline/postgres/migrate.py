"""Versioned migrations (Alembic), run under a lock so that processes starting together do it once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

HEAD = "0012"  # the newest file in migrations/versions; a test compares it
_LOCK = 7_203_114_002


def upgrade_schema(connection: psycopg.Connection[tuple[Any, ...]], url: str) -> None:
    """Applies what is missing. One cheap query when nothing is.

    Raises psycopg's errors as they are, `InsufficientPrivilege` where the user may not create the schema.
    """
    if _version(connection) == HEAD:
        return
    connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
    try:
        if _version(connection) != HEAD:
            _upgrade(url)
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))


def _version(connection: psycopg.Connection[tuple[Any, ...]]) -> str | None:
    exists = connection.execute("SELECT to_regclass('copilot_ops.alembic_version')").fetchone()
    if exists is None or exists[0] is None:
        return None
    row = connection.execute("SELECT version_num FROM copilot_ops.alembic_version").fetchone()
    return str(row[0]) if row else None


def _upgrade(url: str) -> None:
    from alembic import command
    from alembic.config import Config
    from sqlalchemy.exc import DBAPIError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["url"] = url.replace("postgresql://", "postgresql+psycopg://", 1)
    try:
        command.upgrade(config, "head")
    except DBAPIError as error:
        if isinstance(error.orig, psycopg.Error):
            raise error.orig from None
        raise
