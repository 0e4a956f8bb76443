"""Load partitions into the lake and the warehouse.

The next one is built while the previous one is copied.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date

import psycopg
import pyarrow as pa

from copilot_pipeline.errors import PipelineError, is_connection_loss
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import Table
from copilot_pipeline.load.warehouse import WarehouseLoader
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.state import CallStore

# Errors of one partition that do not stop the others.
PARTITION_ERRORS = (PipelineError, OSError, pa.ArrowException, psycopg.Error)


@dataclass(frozen=True, slots=True)
class LoadedPartition:
    """One day of some tables.

    With a `problem`, the warehouse still has the previous rows.
    """

    day: date
    rows: dict[str, int]
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class CallBatch:
    """The rows of some calls, by table."""

    call_ids: Sequence[str]
    tables: Sequence[tuple[Table, pa.Table]]


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
    ) -> Iterator[LoadedPartition]:
        """Replace each day with what `batches_of` yields.

        Errors of one day are reported in its result.
        """
        pending: deque[tuple[date, Future[dict[str, int]] | BaseException]] = deque()
        with WarehouseLoader(self._database) as loader:
            for day in days:
                lock = self._lock(day, [outcome for _, outcome in pending if isinstance(outcome, Future)])
                pending.append((day, self._start(loader, day, batches_of, before_commit, lock)))
                if len(pending) > 1:
                    yield _result(*pending.popleft())
            while pending:
                yield _result(*pending.popleft())

    def _lock(self, day: date, pending: Sequence[Future[dict[str, int]]]) -> ExitStack:
        """Lock the partition.

        If it is taken, release our other locks first, so that two runs cannot deadlock.
        """
        lock = ExitStack()
        if not lock.enter_context(self._partitions.lock(day, wait=False)):
            lock.close()
            wait(pending)  # each of them releases its lock when it is done
            lock.enter_context(self._partitions.lock(day))
        return lock

    def _start(
        self,
        loader: WarehouseLoader,
        day: date,
        batches_of: Callable[[date], Iterator[CallBatch]],
        before_commit: Callable[[Connection, date], None] | None,
        lock: ExitStack,
    ) -> Future[dict[str, int]] | BaseException:
        copy = loader.start(self._tables, day)
        copy.outcome.add_done_callback(lambda _: lock.close())
        try:
            with ExitStack() as stack:
                writers = {table.name: stack.enter_context(self._lake.writer(table, day)) for table in self._tables}
                for batch in batches_of(day):
                    copy.append(batch.tables, batch.call_ids)
                    for table, content in batch.tables:
                        writers[table.name].append(content)
        except PARTITION_ERRORS as error:
            copy.rollback()
            return error
        except BaseException:
            copy.rollback()
            raise
        return copy.commit(lambda connection: before_commit(connection, day) if before_commit else None)


def describe_error(error: BaseException) -> str:
    """Return the operating system's message or the class of an error.

    Its own text may quote rows.
    """
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else type(error).__name__


def _result(day: date, outcome: Future[dict[str, int]] | BaseException) -> LoadedPartition:
    try:
        if isinstance(outcome, BaseException):
            raise outcome
        return LoadedPartition(day, outcome.result())
    except PipelineError as error:
        return LoadedPartition(day, {}, str(error))
    except PARTITION_ERRORS as error:
        if is_connection_loss(error):  # concerns all days
            raise
        return LoadedPartition(day, {}, f"the tables could not be written: {describe_error(error)}")
