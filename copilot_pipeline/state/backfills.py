"""Registered backfills. Their progress is computed from calls and partitions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from copilot_pipeline.days import days_between
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_all, fetch_one, fetch_values

_SQL = load_queries(f"{__package__}.sql", "backfills.sql")


@dataclass(frozen=True, slots=True)
class Backfill:
    """A range of days, both included. `calls` (that can be fetched) and `requests` are estimates."""

    id: int
    first_day: date
    last_day: date
    calls: int | None
    requests: int | None
    registered_at: datetime
    finished_at: datetime | None
    cancelled_at: datetime | None

    @property
    def is_active(self) -> bool:
        """Neither finished nor cancelled."""
        return self.finished_at is None and self.cancelled_at is None

    @property
    def days(self) -> list[date]:
        """Its days, newest first."""
        return list(reversed(days_between(self.first_day, self.last_day)))


@dataclass(frozen=True, slots=True)
class FetchProgress:
    """Calls of a range that can be fetched, and those of them whose details are stored."""

    calls: int
    fetched: int


class Backfills:
    """All backfills. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(self, first: date, last: date, *, calls: int | None, requests: int | None) -> Backfill:
        """Register a range, or return the active backfill of the same range."""
        values = {"first": first, "last": last, "calls": calls, "requests": requests}
        with self._database.transaction() as connection:
            connection.execute(_SQL["lock"])
            backfill = fetch_one(connection, Backfill, _SQL["find_active"], values)
            backfill = backfill or fetch_one(connection, Backfill, _SQL["insert"], values)
        assert backfill is not None
        return backfill

    def all(self, *, only_active: bool = False) -> list[Backfill]:
        """Return all backfills, newest first."""
        with self._database.connection() as connection:
            return fetch_all(connection, Backfill, _SQL["active" if only_active else "all"])

    def get(self, backfill_id: int) -> Backfill | None:
        """Return a backfill, None if there is no such id."""
        with self._database.connection() as connection:
            return fetch_one(connection, Backfill, _SQL["get"], {"id": backfill_id})

    def cancel(self, backfill_id: int) -> bool:
        """Cancel a backfill, so that no further run is started for it. Return False if it is not active."""
        with self._database.connection() as connection:
            return bool(connection.execute(_SQL["cancel"], {"id": backfill_id}).rowcount)

    def finish(self, backfill_id: int) -> None:
        """Mark a backfill as finished."""
        with self._database.connection() as connection:
            connection.execute(_SQL["finish"], {"id": backfill_id})

    def remaining_days(self, backfill: Backfill, *, are_scored: bool) -> list[date]:
        """Return the days that are not complete, newest first.

        A day is complete if it was listed since the backfill was registered and has all details, tables and (with
        `are_scored`) scores.
        """
        values = {
            "first": backfill.first_day,
            "last": backfill.last_day,
            "since": backfill.registered_at,
            "are_scored": are_scored,
        }
        with self._database.connection() as connection:
            complete = set(fetch_values(connection, _SQL["complete_days"], values))
        return [day for day in backfill.days if day not in complete]

    def fetch_progress(self, first: date, last: date) -> FetchProgress:
        """Return how many calls of a range are fetched."""
        with self._database.connection() as connection:
            progress = fetch_one(connection, FetchProgress, _SQL["fetch_progress"], {"first": first, "last": last})
        assert progress is not None
        return progress
