"""Load partitions into the lake and the warehouse.

The next one is built while the previous one is copied.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date

from copilot_pipeline.errors import DISK_FULL, PipelineError, is_connection_loss
from copilot_pipeline.load.day_load import PARTITION_ERRORS, REFUSED, TRUNCATED, CallBatch, DayLoad, DaySource, HeldLock
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.lake.storage_errors import StorageError, system_message
from copilot_pipeline.load.tables import Table
from copilot_pipeline.load.versions import CurrentPartition, PartitionVersions
from copilot_pipeline.load.warehouse import WarehouseLoader
from copilot_pipeline.load.warehouse.copying import RefusedRow
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.state import CallStore

MAX_LOADS = 3  # attempts to load a day without the rows that PostgreSQL refuses


@dataclass(frozen=True, slots=True)
class LoadedPartition:
    """One day of some tables.

    With a `problem`, the warehouse still has the previous rows. `truncated` values were too long for their columns, and
    `refused` rows were quarantined, because PostgreSQL refuses them. A day that is `current` was up to date and not
    rebuilt. `version` identifies what the day is made from; None if it is rebuilt every time.
    """

    day: date
    rows: dict[str, int]
    problem: str | None = None
    truncated: int = 0
    refused: int = 0
    version: str | None = None
    current: CurrentPartition | None = None


class PartitionLoader:
    """Replaces partitions of some tables.

    PostgreSQL is replaced in one transaction and the Parquet files just before its commit. After a crash in between,
    the two stores differ until the same day is loaded again. The partition is locked from before its rows are read
    until both stores have them, so of two runs that load it, the later one has read everything the earlier one has.
    """

    def __init__(self, lake: Lake, database: Database, calls: CallStore, tables: Sequence[Table]) -> None:
        self._lake = lake
        self._database = database
        self._partitions = calls.partitions
        self._tables = tables

    def load(
        self,
        days: Iterable[date],
        batches_of: Callable[[date], Iterator[CallBatch]],
        before_commit: Callable[[Connection, date], None] | None = None,
        *,
        versions: PartitionVersions | None = None,
        facts_of: Callable[[date], Mapping[str, int] | None] = lambda _: {},
    ) -> Iterator[LoadedPartition]:
        """Replace each day with what `batches_of` yields, unless `versions` has it as up to date.

        `facts_of` returns numbers that are reported with a day, None if the day is incomplete: then it is rebuilt the
        next time. Errors of one day are reported in its result.
        """
        source = DaySource(batches_of, before_commit, facts_of, versions)
        pending: deque[DayLoad] = deque()
        with WarehouseLoader(self._database) as loader:
            for day in days:
                pending.append(self._start(loader, source, day, pending))
                if len(pending) > 1:
                    yield self._finish(loader, source, pending)
            while pending:
                yield self._finish(loader, source, pending)

    def _start(
        self,
        loader: WarehouseLoader,
        source: DaySource,
        day: date,
        pending: Iterable[DayLoad],
        refused: Sequence[RefusedRow] = (),
    ) -> DayLoad:
        lock = self._lock(day, [load.outcome for load in pending if isinstance(load.outcome, Future)])
        load = DayLoad(self._lake, self._database, self._tables, source, day, tuple(refused))
        load.run(loader, lock)
        return load

    def _finish(self, loader: WarehouseLoader, source: DaySource, pending: deque[DayLoad]) -> LoadedPartition:
        """Load the first day again without the rows that PostgreSQL refused, so that both stores have the others."""
        load = pending.popleft()
        for _ in range(MAX_LOADS):
            rows = load.newly_refused()
            if not rows:
                break
            load = self._start(loader, source, load.day, pending, (*load.refused, *rows))
        return _result(load)

    def _lock(self, day: date, pending: Sequence[Future[dict[str, int]]]) -> HeldLock:
        """Lock the partition.

        If it is taken, release our other locks first, so that two runs cannot deadlock.
        """
        stack = ExitStack()
        lock = stack.enter_context(self._partitions.lock(day, wait=False))
        if not lock.is_held:
            stack.close()
            wait(pending)  # each of them releases its lock when it is done
            lock = stack.enter_context(self._partitions.lock(day))
        return HeldLock(lock, stack)


def describe_error(error: BaseException) -> str:
    """Return the operating system's message, the explanation of an object store, or the class of an error.

    Its own text may quote rows. Of a full disk the next step follows.
    """
    if isinstance(error, StorageError):
        return str(error)
    if not isinstance(error, OSError) or not error.errno:
        return type(error).__name__
    next_step = ". Free space, or raise the quota" if error.errno in DISK_FULL else ""
    return f"{system_message(error)}{next_step}"


def _result(load: DayLoad) -> LoadedPartition:
    day = load.day
    try:
        if isinstance(load.outcome, BaseException):
            raise load.outcome
        rows = load.outcome.result()
        if load.current is not None:
            facts = load.current.facts
            return LoadedPartition(
                day,
                rows,
                truncated=facts.get(TRUNCATED, 0),
                refused=facts.get(REFUSED, 0),
                version=load.version,
                current=load.current,
            )
        return LoadedPartition(
            day, rows, truncated=len(load.truncated), refused=len(load.refused), version=load.version
        )
    except PipelineError as error:
        return LoadedPartition(day, {}, str(error))
    except PARTITION_ERRORS as error:
        if is_connection_loss(error):  # concerns all days
            raise
        return LoadedPartition(day, {}, f"the tables could not be written: {describe_error(error)}")
