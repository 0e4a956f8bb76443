"""Whether Dagster's daemon runs, read from its own table without importing Dagster."""

from __future__ import annotations

from copilot_pipeline.postgres import Connection
from copilot_pipeline.postgres.queries import load_queries

ALIVE_SECONDS = 120.0  # since the last heartbeat; Dagster writes one every 30 seconds
_SQL = load_queries(f"{__package__}.sql", "daemon.sql")


def seconds_since_heartbeat(connection: Connection) -> float | None:
    """Return the seconds since the last heartbeat of a daemon on this database, None if there never was one."""
    if connection.execute(_SQL["exists"]).fetchone() != (True,):
        return None
    row = connection.execute(_SQL["last_heartbeat"]).fetchone()
    return None if row is None or row[0] is None else max(0.0, float(row[0]))


def is_daemon_alive(connection: Connection) -> bool:
    """Whether a daemon wrote a heartbeat lately."""
    seconds = seconds_since_heartbeat(connection)
    return seconds is not None and seconds < ALIVE_SECONDS
