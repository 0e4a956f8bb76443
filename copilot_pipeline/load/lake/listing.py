"""The stamps of the files of partitioned tables, with one request a table instead of one a file."""

from __future__ import annotations

import time
from datetime import date

from copilot_pipeline.load.lake.files import Lake
from copilot_pipeline.load.tables import Table

MAX_AGE_SECONDS = 60.0


class Listing:
    """The files of some tables as they were at most a minute ago.

    If a listed stamp differs from what is expected, the file may have been written since: read its own stamp then.
    """

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._listed: dict[str, tuple[float, dict[date, str]]] = {}

    def stamp(self, table: Table, day: date) -> str | None:
        """Return the stamp of a file, None if there was none. Raises `OSError` if the lake cannot be read."""
        listed_at, stamps = self._listed.get(table.name, (0.0, {}))
        now = time.monotonic()
        if not listed_at or now - listed_at > MAX_AGE_SECONDS:
            stamps = self._lake.listed_stamps(table)
            self._listed[table.name] = now, stamps
        return stamps.get(day)
