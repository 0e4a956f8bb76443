"""Pending calls: calls being brought from their source to their scores.

A row is added in the transaction that records a call, and deleted when its scores are in the tables. After a crash in
between, the next run claims the remaining rows and continues.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_all, fetch_values

# A run that has just failed to complete a call does not cause the next run for so long: it may need a person.
RETRY_AFTER_MINUTES = 5
OPEN_RUN_GRACE_MINUTES = 20  # a younger Semarize run may be polled by another run at the moment
OPEN_RUN_MAX_DAYS = 1  # an older Semarize run is collected only when its day is scored again
TABLES_ONLY = ""  # instead of a call id
_SQL = load_queries(f"{__package__}.sql", "pending_calls.sql")


@dataclass(frozen=True, slots=True)
class _PendingCall:
    call_date: date
    call_id: str


class PendingCalls:
    """All pending calls. Every method is one transaction, unless it is given a connection."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, calls: Mapping[str, date], *, connection: Connection | None = None) -> None:
        """Add calls (day by id). Those that are pending already stay as they are."""
        values = {"days": list(calls.values()), "call_ids": list(calls)}
        if connection is not None:
            connection.execute(_SQL["add"], values)
        elif calls:
            with self._database.connection() as own:
                own.execute(_SQL["add"], values)

    def add_partitions(self, days: Collection[date]) -> None:
        """Add days whose tables must be rebuilt, whichever calls they hold."""
        for day in days:
            self.add({TABLES_ONLY: day})

    def claim(self) -> dict[date, set[str]]:
        """Claim all pending calls for the current run; return their ids by day."""
        with self._database.connection() as connection:
            return _by_day(fetch_all(connection, _PendingCall, _SQL["claim"]))

    def unfinished_days(self) -> list[date]:
        """Return the days of calls that a crashed or failed run did not complete, newest first."""
        with self._database.connection() as connection:
            return fetch_values(connection, _SQL["unfinished_days"], {"minutes": RETRY_AFTER_MINUTES})

    def complete(self, day: date, call_ids: Collection[str]) -> None:
        """Delete calls whose scores are in the tables of their day."""
        with self._database.connection() as connection:
            connection.execute(_SQL["complete"], {"day": day, "call_ids": [TABLES_ONLY, *call_ids]})

    def with_open_runs(self, kits: Mapping[str, str]) -> dict[date, set[str]]:
        """Return calls with a Semarize run that is paid for and that no run collects any more, by day.

        `kits` are references by name. Runs of other kits, and of transcripts that have changed since, are not needed.
        """
        values = {
            "kits": list(kits),
            "references": list(kits.values()),
            "grace_minutes": OPEN_RUN_GRACE_MINUTES,
            "max_days": OPEN_RUN_MAX_DAYS,
        }
        with self._database.connection() as connection:
            return _by_day(fetch_all(connection, _PendingCall, _SQL["with_open_runs"], values))


def _by_day(calls: Iterable[_PendingCall]) -> dict[date, set[str]]:
    by_day: defaultdict[date, set[str]] = defaultdict(set)
    for call in calls:
        by_day[call.call_date].add(call.call_id)
    return dict(by_day)
