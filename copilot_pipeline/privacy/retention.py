"""Retention: remove what is older than `privacy.retention` allows, place by place.

Every step is a small transaction, or one day, and can be repeated. What prevents a second message or a second payment
(the keys of deliveries and runs) stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from copilot_pipeline.config.retention import RetentionSettings
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.warehouse.statements import SCHEMA
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_value
from copilot_pipeline.privacy.places import STATE_SCHEMA, TABLES
from copilot_pipeline.privacy.removed_calls import DueRemovals, RemovedCalls, due_removals
from copilot_pipeline.privacy.retention_days import TEXT_COLUMNS, TEXT_TABLES, RetainedDays
from copilot_pipeline.privacy.table_places import renew_statistics

ROWS_PER_TRANSACTION = 500
# The nightly run may start late, or be repeated after a failure.
GRACE = timedelta(days=2)
REPORTS, UNREADABLE = "reports/", "_unreadable/"  # folders of the lake
_SQL = load_queries(__package__, "retention.sql")


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of the state store: a place, its limit, and the name of its statements."""

    place: str
    limit: Callable[[RetentionSettings], timedelta]
    statements: str


_ROWS = (
    _Rows("former transcripts", lambda limits: limits.former_versions, "former_transcripts"),
    _Rows("former answers", lambda limits: limits.former_versions, "former_answers"),
    _Rows("outbox", lambda limits: limits.outbox, "outbox"),
    _Rows("quarantine", lambda limits: limits.quarantine, "quarantine"),
    _Rows("inbox", lambda limits: limits.inbox, "inbox"),
)
_TEXTS, _RAW_FILES = "days of transcripts", "days of raw files"
# The tables of each place, whose statistics quote removed rows until they are computed again.
_TABLES = {
    _TEXTS: frozenset(
        {f"{SCHEMA}.{table.name}" for table in (*TEXT_TABLES, *(table for table, _ in TEXT_COLUMNS))}
        | {f"{STATE_SCHEMA}.{name}" for name in ("semarize_runs", "replaced_runs", "replaced_transcripts")}
    ),
    _RAW_FILES: frozenset({f"{STATE_SCHEMA}.bodies", f"{STATE_SCHEMA}.quarantine"}),
    "former transcripts": frozenset({f"{STATE_SCHEMA}.replaced_transcripts"}),
    "former answers": frozenset({f"{STATE_SCHEMA}.replaced_runs"}),
    **{name: frozenset({f"{STATE_SCHEMA}.{name}"}) for name in ("outbox", "quarantine", "inbox")},
}


class Retention:
    """All places but Dagster's events."""

    def __init__(
        self,
        limits: RetentionSettings,
        database: Database,
        lake: Lake,
        zone: ZoneInfo,
        removed_calls: RemovedCalls | None = None,
        *,
        now: datetime | None = None,
    ) -> None:
        """Without `removed_calls`, removed calls are only counted."""
        self._limits = limits
        self._database = database
        self._lake = lake
        self._zone = zone
        self._removed_calls = removed_calls
        self._days = RetainedDays(database, lake)
        self._now = now or datetime.now(UTC)

    def remove(self) -> Iterator[tuple[str, int]]:
        """Remove what is too old; yield each place and what was removed of it: days, rows, files or calls."""
        changed: set[str] = set()
        for place, count in self._remove_old():
            changed |= _TABLES.get(place, frozenset()) if count else frozenset()
            yield place, count
        with self._database.connection() as connection:
            renew_statistics(connection, [table for table in TABLES if table.name in changed])
        # The last: it fails without the key of the tombstones.
        if self._removed_calls is not None:
            yield "removed calls", self._removed_calls.erase(self._before(self._limits.removed_calls))

    def _remove_old(self) -> Iterator[tuple[str, int]]:
        raw, texts = self._limits.raw_limit, self._limits.transcripts
        self._days.allow_raw(date.min if raw is None else self._first_day(raw))
        days = [] if texts is None else self._days.with_texts(self._first_day(texts))
        for day in days:
            self._days.remove_texts(day)
        yield _TEXTS, len(days)
        days = [] if raw is None else self._days.with_raw(self._first_day(raw))
        for day in days:
            self._days.remove_raw(day)
        yield _RAW_FILES, len(days)
        for rows in _ROWS:
            yield rows.place, self._remove_rows(rows)
        yield "reports", self._remove_files(REPORTS, self._limits.reports)
        yield "unreadable raw files", self._remove_files(UNREADABLE, self._limits.quarantine)

    def removals(self) -> DueRemovals:
        """Return the removed calls that are to be erased now, and why they are not if they are abnormally many."""
        return due_removals(self._database, self._before(self._limits.removed_calls))

    def overdue(self) -> dict[str, int]:
        """Count what is older than allowed by more than the grace period, by place; places without any are omitted."""
        now, self._now = self._now, self._now - GRACE
        try:
            raw, texts = self._limits.raw_limit, self._limits.transcripts
            counts = {
                _TEXTS: 0 if texts is None else len(self._days.with_texts(self._first_day(texts))),
                _RAW_FILES: 0 if raw is None else len(self._days.with_raw(self._first_day(raw))),
                "removed calls": len(self.removals().calls),
                **{rows.place: self._count_rows(rows) for rows in _ROWS},
                "reports": len(self._old_files(REPORTS, self._limits.reports)),
                "unreadable raw files": len(self._old_files(UNREADABLE, self._limits.quarantine)),
            }
        finally:
            self._now = now
        return {place: count for place, count in counts.items() if count}

    def _first_day(self, limit: timedelta) -> date:
        """Return the oldest day that may be kept."""
        return self._now.astimezone(self._zone).date() - limit

    def _before(self, limit: timedelta | None) -> datetime | None:
        return None if limit is None else self._now - limit

    def _remove_rows(self, rows: _Rows) -> int:
        values = {"before": self._now - rows.limit(self._limits), "limit": ROWS_PER_TRANSACTION}
        removed = 0
        while True:
            with self._database.connection() as connection:
                count = connection.execute(_SQL[f"remove_{rows.statements}"], values).rowcount
            removed += max(0, count)
            if count < ROWS_PER_TRANSACTION:
                return removed

    def _count_rows(self, rows: _Rows) -> int:
        with self._database.connection() as connection:
            values = {"before": self._now - rows.limit(self._limits)}
            return int(fetch_value(connection, _SQL[f"count_{rows.statements}"], values))

    def _remove_files(self, folder: str, limit: timedelta) -> int:
        names = self._old_files(folder, limit)
        for name in names:
            self._lake.remove_file(name)
        return len(names)

    def _old_files(self, folder: str, limit: timedelta) -> list[str]:
        before = self._now - limit
        files = self._lake.files(folder)
        return sorted(name for name, info in files.items() if info.mtime is not None and info.mtime < before)
