"""Session settings for connections of SQLAlchemy: those of Dagster's storage and of the migrations."""

from __future__ import annotations

import contextlib
from typing import Any

from sqlalchemy import event, exc

from copilot_pipeline.postgres.session import settings_statement


def configure_engine(engine: Any) -> None:
    """Apply the session settings to every new connection of an engine, or of all engines if given the class.

    A pooled connection that the server has closed is replaced when it is taken from the pool.
    """
    if not event.contains(engine, "connect", _configure):
        event.listen(engine, "connect", _configure)
        event.listen(engine, "checkout", _replace_closed)


def _configure(connection: Any, _record: object) -> None:
    if not _is_postgres(connection):
        return
    with connection.cursor() as cursor:
        # Dagster sets a timeout in the start-up options.
        cursor.execute(*settings_statement(connection.info.server_version, options=connection.info.options or ""))
    connection.commit()


def _replace_closed(connection: Any, _record: object, _proxy: object) -> None:
    if not _is_postgres(connection):
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        connection.rollback()
    except Exception as error:
        with contextlib.suppress(Exception):
            connection.close()
        raise exc.DisconnectionError from error


def _is_postgres(connection: object) -> bool:
    """Return whether it is a connection of psycopg or psycopg2; Dagster also opens SQLite for temporary instances."""
    return type(connection).__module__.partition(".")[0] in ("psycopg", "psycopg2")
