"""Polling: what changed since the last time, into the ledger. The second source.

The mark moves only when the ledger has everything up to it, and a poll that dies goes on with its own window at the
page where it was. The overlap finds calls whose change the server showed late; what is known already costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from copilot_pipeline.clients.clari import ClariClient, ListWindow
from copilot_pipeline.extract.listing import Lister
from copilot_pipeline.postgres import Database
from copilot_pipeline.state import CallStore, ListCursors

SOURCE = "poll"
# An older window has lost calls that changed again meanwhile, so its pages have shifted: it begins with its first one.
POSITION_LASTS = timedelta(hours=1)
_MARK = "polled until"
_WINDOW = "poll under way"


@dataclass(frozen=True, slots=True)
class PollResult:
    """What a poll saw."""

    after: datetime
    before: datetime
    calls: int


@dataclass(frozen=True, slots=True)
class PollSettings:
    """How far a poll reaches back."""

    overlap: timedelta = timedelta(minutes=120)
    first_look_back: timedelta = timedelta(hours=24)


class Poller:
    """One poll at a time."""

    def __init__(
        self, client: ClariClient, ledger: CallStore, listings: ListCursors, database: Database, rules: PollSettings
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._listings = listings
        self._database = database
        self._rules = rules

    def poll(self) -> PollResult:
        """Lists what changed since the mark, then moves the mark."""
        after, before = self._window()
        can_ask_for_changes = self._client.capabilities.has_modified_filter
        window = ListWindow("modified" if can_ask_for_changes else "started", after, before)
        lister = Lister(self._client, self._ledger, self._listings, SOURCE)
        since = self._ledger.now() - POSITION_LASTS
        calls = sum(len(page) for page in lister.pages(window, since=since))
        with self._database.transaction() as connection:
            connection.execute(
                """INSERT INTO copilot_ops.key_values (name, value) VALUES (%s, %s)
                ON CONFLICT (name) DO UPDATE SET value = excluded.value""",
                (_MARK, before.isoformat()),
            )
            connection.execute("DELETE FROM copilot_ops.key_values WHERE name = %s", (_WINDOW,))
        return PollResult(after, before, calls)

    def _window(self) -> tuple[datetime, datetime]:
        """The window of the poll that was interrupted, else one from the mark to now."""
        with self._database.transaction() as connection:
            notes = dict(
                connection.execute(
                    "SELECT name, value FROM copilot_ops.key_values WHERE name IN (%s, %s)", (_MARK, _WINDOW)
                ).fetchall()
            )
            if _WINDOW in notes:
                after, before = map(datetime.fromisoformat, notes[_WINDOW].split(" ", 1))
                return after, before
            before = self._ledger.now()
            mark = datetime.fromisoformat(notes[_MARK]) if _MARK in notes else before - self._rules.first_look_back
            after = mark - self._rules.overlap
            connection.execute(
                "INSERT INTO copilot_ops.key_values (name, value) VALUES (%s, %s)",
                (_WINDOW, f"{after.isoformat()} {before.isoformat()}"),
            )
            return after, before
