"""Polling: record the calls that changed since the last poll.

A poll lists from the end of the previous one, minus an overlap for changes that the server shows late, to now. That end
moves only when all pages are committed, and an interrupted poll continues in its own window at its next page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from copilot_pipeline.clients.clari.client import ClariClient
from copilot_pipeline.clients.clari.dialect import ListWindow
from copilot_pipeline.extract.listing import Lister
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.state import CallStore, ListCursors

SOURCE = "poll"
# Calls of an older window have changed again and left it, so its pages have shifted: it is listed from its first page.
MAX_CURSOR_AGE = timedelta(hours=1)
_SQL = load_queries(__package__, "polling.sql")
_POLLED_UNTIL = "polled until"
_WINDOW = "poll under way"
_KEYS = {"polled_until": _POLLED_UNTIL, "window": _WINDOW}


@dataclass(frozen=True, slots=True)
class PollResult:
    """The window of a poll and the number of calls in it."""

    after: datetime
    before: datetime
    calls: int


@dataclass(frozen=True, slots=True)
class PollSettings:
    """How far a poll reaches back: before the end of the previous one, and if there was none."""

    overlap: timedelta = timedelta(minutes=120)
    first_poll: timedelta = timedelta(hours=24)


class Poller:
    """Polls for changes. Two polls must not run at the same time."""

    def __init__(
        self, client: ClariClient, calls: CallStore, cursors: ListCursors, database: Database, settings: PollSettings
    ) -> None:
        self._client = client
        self._calls = calls
        self._cursors = cursors
        self._database = database
        self._settings = settings

    def poll(self) -> PollResult:
        """List what changed since the last poll."""
        after, before = self._window()
        basis: Literal["modified", "started"]
        basis = "modified" if self._client.capabilities.has_modified_filter else "started"
        lister = Lister(self._client, self._calls, self._cursors, SOURCE)
        since = self._calls.now() - MAX_CURSOR_AGE
        window = ListWindow(basis, after, before)
        calls = sum(len(page) for page in lister.pages(window, since=since))
        with self._database.connection() as connection:
            connection.execute(_SQL["finish"], {**_KEYS, "value": before.isoformat()})
        return PollResult(after, before, calls)

    def _window(self) -> tuple[datetime, datetime]:
        """Return the window of a poll that was interrupted, otherwise one until now."""
        with self._database.transaction() as connection:
            progress = {name: value for name, value in connection.execute(_SQL["progress"], _KEYS)}
            if _WINDOW in progress:
                after, before = map(datetime.fromisoformat, progress[_WINDOW].split(" ", 1))
                return after, before
            before = self._calls.now()
            if _POLLED_UNTIL in progress:
                polled_until = datetime.fromisoformat(progress[_POLLED_UNTIL])
            else:
                polled_until = before - self._settings.first_poll
            after = polled_until - self._settings.overlap
            connection.execute(_SQL["begin"], {**_KEYS, "value": f"{after.isoformat()} {before.isoformat()}"})
            return after, before
