"""Cursors of paged listings, and since when a day is listed.

After a crash the next process continues at the next page. A cursor belongs to the command that started the listing,
however long ago that was, and a day that was listed since the command was given is not listed for it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta

from copilot_pipeline.clients.clari.models import ListedCall
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_one, fetch_value, fetch_values
from copilot_pipeline.state.calls import CallStore

# A command that was killed continues its listing if it is repeated within this time; later it is a new command.
COMMAND_LASTS = timedelta(days=1)
_SQL = load_queries(f"{__package__}.sql", "list_cursors.sql")


@dataclass(frozen=True, slots=True)
class CursorKey:
    """A window that is listed for a source. `basis` is the time field that it filters: `started` or `modified`."""

    source: str
    basis: str
    after: datetime
    before: datetime


@dataclass(frozen=True, slots=True)
class Cursor:
    """Position inside the listing of a window."""

    started_at: datetime
    skip: int  # calls that have been listed
    matched: int | None  # calls in the window, if the API counts them
    is_split: bool
    is_complete: bool


class ListCursors:
    """Cursors of the listings in progress. Every method is one transaction."""

    def __init__(self, calls: CallStore) -> None:
        self._database = calls.database
        self._calls = calls

    def resume(self, key: CursorKey, since: datetime) -> Cursor:
        """Return the cursor of a listing that started since a moment, else one at the first page."""
        with self._database.transaction() as connection:
            connection.execute(_SQL["delete_older"], {**asdict(key), "since": since})
            connection.execute(_SQL["start"], asdict(key))
            cursor = fetch_one(connection, Cursor, _SQL["find"], asdict(key))
        assert cursor is not None
        return cursor

    def record_page(
        self,
        key: CursorKey,
        calls: Sequence[ListedCall],
        *,
        next_skip: int | None,
        matched: int | None = None,
        unreadable: Sequence[str] = (),
    ) -> None:
        """Record the calls of a page and move the cursor, atomically. `next_skip` None completes the window.

        `unreadable` are ids of calls whose items cannot be parsed; they are listed, so they are not removed.
        """
        with self._database.transaction() as connection:
            self._calls.record(connection, list({call.call_id: call for call in calls}.values()), key.source)
            if unreadable:
                connection.execute(_SQL["mark_seen"], {"call_ids": sorted(unreadable)})
            position = {"skip": next_skip or 0, "matched": matched, "is_complete": next_skip is None}
            connection.execute(_SQL["advance"], {**asdict(key), **position})

    def mark_split(self, key: CursorKey) -> None:
        """Record that a window is listed in halves, because it holds more calls than paging can reach."""
        with self._database.connection() as connection:
            connection.execute(_SQL["mark_split"], asdict(key))

    def finish(self, key: CursorKey, days: Sequence[date], started_at: datetime) -> int:
        """End a listing: mark calls of these days that it has not shown as removed, and return their number.

        Only calls that started within the window are marked: which calls a day contains depends on the time zone.
        One transaction records the end of the listing, the days as listed and the calls as removed.
        """
        values = {"days": list(days), "listing_started_at": started_at, "after": key.after, "before": key.before}
        with self._database.transaction() as connection:
            removed = connection.execute(_SQL["mark_removed"], values).rowcount
            connection.execute(_SQL["mark_listed"], values)
            connection.execute(_SQL["finish"], asdict(key))
        return removed

    def days_listed(self, days: Sequence[date], since: datetime) -> set[date]:
        """Return those of the days whose last complete listing, for any source, started since a moment."""
        with self._database.connection() as connection:
            return set(fetch_values(connection, _SQL["days_listed"], {"days": list(days), "since": since}))

    def start_command(self, command: str) -> datetime:
        """Return when an unfinished command was first given: it may have been killed and repeated."""
        now = self._calls.now()
        values = {"name": _command_name(command), "now": now.isoformat(), "oldest": now - COMMAND_LASTS}
        with self._database.connection() as connection:
            started_at: datetime = fetch_value(connection, _SQL["start_command"], values)
        return started_at

    def finish_command(self, command: str) -> None:
        """Record that a command has finished: given again, it is a new one."""
        with self._database.connection() as connection:
            connection.execute(_SQL["finish_command"], {"name": _command_name(command)})


def _command_name(command: str) -> str:
    return f"command {command}"
