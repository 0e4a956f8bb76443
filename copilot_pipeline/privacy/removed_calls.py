"""Erase calls that the vendor's list has not shown for some time (`privacy.retention.removed_calls`).

The state of the calls is deleted first, and their days are marked in the same transaction. Then each marked day is
written again without them: raw file, call tables, score tables. A run that is killed in between leaves the marks.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from copilot_pipeline.errors import PipelineError
from copilot_pipeline.extract.raw_partitions import RawPartitionWriter
from copilot_pipeline.load.call_tables import CallTables
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_all, fetch_values
from copilot_pipeline.score.score_tables import ScoreTables
from copilot_pipeline.state import PartitionStore

_SQL = load_queries(__package__, "retention.sql")


@dataclass(frozen=True, slots=True)
class _Day:
    call_date: date
    call_ids: list[str]


class RemovedCalls:
    """Erases removed calls, and writes their days again."""

    def __init__(self, database: Database, writer: RawPartitionWriter, calls: CallTables, scores: ScoreTables) -> None:
        self._database = database
        self._writer = writer
        self._calls = calls
        self._scores = scores

    @staticmethod
    def count(database: Database, before: datetime | None) -> int:
        """Return the number of calls that were removed before a time; 0 if they are kept."""
        return sum(len(day.call_ids) for day in _removed(database, before))

    def erase(self, before: datetime | None) -> int:
        """Erase the calls that were removed before a time (None: no calls), and finish what a killed run left."""
        erased = 0
        for day in _removed(self._database, before):
            with PartitionStore(self._database).lock(day.call_date), self._database.transaction() as connection:
                connection.execute(_SQL["mark_stale"], {"day": day.call_date})
                connection.execute(_SQL["forget_calls"], {"call_ids": day.call_ids})
                record = {"label": secrets.token_hex(4), "hash": secrets.token_bytes(32), "calls": len(day.call_ids)}
                connection.execute(_SQL["record_removed_calls"], record)
            erased += len(day.call_ids)
        if before is not None:
            with self._database.connection() as connection:
                self._write(fetch_values(connection, _SQL["days_to_write_again"]))
        return erased

    def _write(self, days: Sequence[date]) -> None:
        for day in days:
            self._writer.store(day)
            problems = [loaded.problem for loaded in self._calls.build([day])]
            problems += [loaded.problem for loaded in self._scores.build([day])]
            if problem := next(filter(None, problems), None):
                raise PipelineError(f"{day}: {problem}")


def _removed(database: Database, before: datetime | None) -> list[_Day]:
    if before is None:
        return []
    with database.connection() as connection:
        return fetch_all(connection, _Day, _SQL["removed_calls"], {"before": before})
