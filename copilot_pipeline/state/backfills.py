"""The ledger of backfills: which ranges were asked for. How far they are is read off the days and the calls."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from copilot_pipeline.postgres import Database


@dataclass(frozen=True, slots=True)
class Backfill:
    """A range of days, both included. `calls` that can be fetched and `requests` are what it was expected to cost."""

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
        count = (self.last_day - self.first_day).days + 1
        return [self.last_day - timedelta(days=offset) for offset in range(count)]


_COLUMNS = "id, first_day, last_day, calls, requests, registered_at, finished_at, cancelled_at"


class Backfills:
    """All backfills. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(self, first: date, last: date, *, calls: int | None, requests: int | None) -> Backfill:
        """Asks for a range. The same range, still active, is not asked for twice."""
        with self._database.transaction() as connection:
            connection.execute("LOCK TABLE copilot_ops.backfills IN EXCLUSIVE MODE")
            known = connection.execute(
                f"""SELECT {_COLUMNS} FROM copilot_ops.backfills WHERE first_day = %s AND last_day = %s
                AND finished_at IS NULL AND cancelled_at IS NULL""",
                (first, last),
            ).fetchone()
            row = (
                known
                or connection.execute(
                    f"""INSERT INTO copilot_ops.backfills (first_day, last_day, calls, requests)
                VALUES (%s, %s, %s, %s) RETURNING {_COLUMNS}""",
                    (first, last, calls, requests),
                ).fetchone()
            )
        if row is None:
            raise RuntimeError("a row that was just written is not there")
        return Backfill(*row)

    def all(self, *, only_active: bool = False) -> list[Backfill]:
        """Newest first."""
        with self._database.connection() as connection:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM copilot_ops.backfills ORDER BY id DESC").fetchall()
        found = [Backfill(*row) for row in rows]
        return [one for one in found if one.is_active] if only_active else found

    def cancel(self, identity: int) -> bool:
        """No further run is started for it. False where there is nothing to cancel."""
        with self._database.connection() as connection:
            return bool(
                connection.execute(
                    """UPDATE copilot_ops.backfills SET cancelled_at = clock_timestamp()
                    WHERE id = %s AND finished_at IS NULL AND cancelled_at IS NULL""",
                    (identity,),
                ).rowcount
            )

    def finish(self, identity: int) -> None:
        """All its days are there."""
        with self._database.connection() as connection:
            connection.execute(
                """UPDATE copilot_ops.backfills SET finished_at = clock_timestamp()
                WHERE id = %s AND finished_at IS NULL""",
                (identity,),
            )

    def get(self, identity: int) -> Backfill | None:
        """A backfill by its number."""
        return next((backfill for backfill in self.all() if backfill.id == identity), None)

    def remaining_days(self, backfill: Backfill, *, are_scored: bool) -> list[date]:
        """Its days that were not listed since it was registered, or still want details, tables or (with `are_scored`)
        scores; newest first.
        """
        with self._database.connection() as connection:
            rows = connection.execute(
                """SELECT call_date FROM copilot_ops.partitions AS days
                WHERE call_date BETWEEN %s AND %s AND listed_at >= %s AND loaded_at >= stored_at
                  AND (NOT %s OR scored_at >= loaded_at)
                  AND NOT EXISTS (SELECT 1 FROM copilot_ops.calls WHERE calls.call_date = days.call_date AND (is_dirty
                    OR (removed_at IS NULL AND readiness = 'ready' AND fetched_version IS DISTINCT FROM version
                      AND (next_attempt_at IS NULL OR next_attempt_at <= now()))))""",
                (backfill.first_day, backfill.last_day, backfill.registered_at, are_scored),
            ).fetchall()
        done = {row[0] for row in rows}
        return [day for day in backfill.days if day not in done]

    def fetch_progress(self, first: date, last: date) -> tuple[int, int]:
        """(calls known that can be fetched, those of them whose details are held) of a range."""
        with self._database.connection() as connection:
            row = connection.execute(
                """SELECT count(*), count(*) FILTER (WHERE fetched_version = version) FROM copilot_ops.calls
                WHERE call_date BETWEEN %s AND %s AND removed_at IS NULL AND readiness = 'ready'""",
                (first, last),
            ).fetchone()
        return (int(row[0]), int(row[1])) if row else (0, 0)


def day_ranges(days: Iterable[date], most: int) -> list[tuple[date, ...]]:
    """Runs of consecutive days, newest first, none longer than `most`; each ascending."""
    groups: list[list[date]] = []
    for day in sorted(set(days), reverse=True):
        if groups and groups[-1][-1] - day == timedelta(days=1) and len(groups[-1]) < most:
            groups[-1].append(day)
        else:
            groups.append([day])
    return [tuple(reversed(group)) for group in groups]
