"""Metrics that are read from the state store, from Dagster's tables and from what processes have recorded."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from psycopg.rows import class_row

from copilot_pipeline.config.loading import Settings
from copilot_pipeline.postgres import Connection
from copilot_pipeline.postgres.queries import load_queries

# The schedules and their jobs; a test compares them with the definitions, which this package does not import.
SCHEDULE_JOBS = {
    "daily_call_partitions": "call_partitions",
    "nightly_removal": "removal",
    "daily_reference_data": "reference_data",
    "hourly_deliveries": "deliveries",
    "periodic_poll": "poll",
}
TOTALS_SECONDS = 60.0  # statements that read indexes of whole tables run at most once in this time
_STATE = load_queries(f"{__package__}.sql", "state.sql")
_TOTALS = load_queries(f"{__package__}.sql", "totals.sql")
_DAGSTER = load_queries(f"{__package__}.sql", "dagster.sql")
_RECORDED = load_queries(f"{__package__}.sql", "recorded.sql")


@dataclass(frozen=True, slots=True)
class QuotaSettings:
    """The weekly quota, and the share of it (0 to 1) that backfills may not use."""

    requests_per_week: int
    reserve: float


def quota_settings(settings: Settings) -> QuotaSettings:
    """The quota that the settings configure."""
    reserve = settings.pipeline.budget.backfill_reserve_share
    return QuotaSettings(settings.environment.copilot_pipeline_requests_per_week, reserve)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A value of a metric. `bucket` is the upper bound of a bucket of a histogram, otherwise 0."""

    metric: str
    labels: Mapping[str, str]
    value: float
    bucket: float = 0.0


class StateReader:
    """Reads samples. The totals are read at most once a minute."""

    def __init__(self, quota: QuotaSettings) -> None:
        self._values = {
            "requests_per_week": quota.requests_per_week,
            "reserve": quota.reserve,
            "schedules": list(SCHEDULE_JOBS),
            "jobs": list(SCHEDULE_JOBS.values()),
        }
        self._totals: list[Sample] = []
        self._totals_until = 0.0

    def samples(self, connection: Connection) -> list[Sample]:
        """Return all samples. Raises psycopg's errors."""
        if time.monotonic() >= self._totals_until:
            self._totals = list(self._read(connection, _TOTALS))
            self._totals_until = time.monotonic() + TOTALS_SECONDS
        return [*self.current(connection), *self._totals, *_run(connection, _RECORDED["values"], {})]

    def current(self, connection: Connection) -> list[Sample]:
        """Return the samples of what is in progress, without totals and recorded counters."""
        samples = list(self._read(connection, _STATE))
        if connection.execute(_DAGSTER["exists"]).fetchone() == (True,):
            samples += self._read(connection, {name: text for name, text in _DAGSTER.items() if name != "exists"})
        return samples

    def _read(self, connection: Connection, statements: Mapping[str, str]) -> Iterator[Sample]:
        for statement in statements.values():
            yield from _run(connection, statement, self._values)


def _run(connection: Connection, statement: str, values: Mapping[str, object]) -> list[Sample]:
    with connection.cursor(row_factory=class_row(Sample)) as cursor:
        return cursor.execute(statement.encode(), values).fetchall()
