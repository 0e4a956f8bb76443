"""When deliveries are due and completed: by the clock of the database server, the same for all machines."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.rows import fetch_value

Clock = Callable[[], datetime]
_VALID_SECONDS = 60.0


def machine_time() -> datetime:
    """Return the time of this machine, for what other services compare with their own clock."""
    return datetime.now(UTC)


class DatabaseClock:
    """The clock of the database server: read once a minute, and counted on by the monotonic clock of this process.

    Times of scores are the server's. With the clock of another machine, a call that was scored just after a route
    became active would count as scored before, and would never be sent.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._read_at = -_VALID_SECONDS
        self._server_time = datetime.min.replace(tzinfo=UTC)

    def __call__(self) -> datetime:
        """Return the present time of the server."""
        seconds = time.monotonic() - self._read_at
        if seconds < _VALID_SECONDS:
            return self._server_time + timedelta(seconds=seconds)
        with self._database.connection() as connection:
            self._server_time = fetch_value(connection, "SELECT clock_timestamp()")
        self._read_at = time.monotonic()
        return self._server_time
