"""Landing: days of tables into the lake and the warehouse, the next day made while this one is sent."""

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

from copilot_pipeline.errors import PipelineError
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import Table
from copilot_pipeline.load.warehouse import WarehousePartitionLoader
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.state import CallStore

# What can go wrong with one day and need not concern its neighbours.
PARTITION_ERRORS = (PipelineError, OSError, pa.ArrowException, psycopg.Error)


@dataclass(frozen=True, slots=True)
class LoadedPartition:
    """One day, in both stores. With a `problem` the warehouse holds what it held before."""

    day: date
    rows: dict[str, int]
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of some calls, table by table."""

    call_ids: Sequence[str]
    tables: Sequence[tuple[Table, pa.Table]]


class PartitionLoader:
    """Replaces days of some tables, Postgres in one transaction and Parquet file by file just before it.

    A death in between leaves a day whose two stores differ for as long as it takes to run the same day again.
    From before its rows are read until both stores have them, nobody else touches the day: of two runs that make the
    same tables, the one that ends last has seen all that the other has.
    """

    def __init__(self, lake: Lake, database: Database, ledger: CallStore, tables: Sequence[Table]) -> None:
        self._lake = lake
        self._database = database
        self._days = ledger.partitions
        self._tables = tables

    def load(
        self,
        days: Iterable[date],
        rows_of: Callable[[date], Iterator[Rows]],
        before_commit: Callable[[Connection, date], None] | None = None,
    ) -> Iterator[LoadedPartition]:
        """Replaces days, each by what `rows_of` yields of it; one day's trouble is in its own report."""
        under_way: deque[tuple[date, Future[dict[str, int]] | BaseException]] = deque()
        with WarehousePartitionLoader(self._database) as loader:
            for day in days:
                lock = self._alone_with(day, [outcome for _, outcome in under_way if isinstance(outcome, Future)])
                under_way.append((day, self._begin(loader, day, rows_of, before_commit, lock)))
                if len(under_way) > 1:
                    yield _ended(*under_way.popleft())
            while under_way:
                yield _ended(*under_way.popleft())

    def _alone_with(self, day: date, under_way: Sequence[Future[dict[str, int]]]) -> ExitStack:
        """The day, locked. Where another run has it, it is waited for with empty hands: no two wait for each other."""
        lock = ExitStack()
        if not lock.enter_context(self._days.lock(day, wait=False)):
            lock.close()
            wait(under_way)
            lock.enter_context(self._days.lock(day))
        return lock

    def _begin(
        self,
        loader: WarehousePartitionLoader,
        day: date,
        rows_of: Callable[[date], Iterator[Rows]],
        before_commit: Callable[[Connection, date], None] | None,
        lock: ExitStack,
    ) -> Future[dict[str, int]] | BaseException:
        load = loader.begin(self._tables, day)
        load.outcome.add_done_callback(lambda _: lock.close())
        try:
            with ExitStack() as stack:
                writers = {table.name: stack.enter_context(self._lake.writer(table, day)) for table in self._tables}
                for rows in rows_of(day):
                    load.append(rows.tables, rows.call_ids)
                    for table, content in rows.tables:
                        writers[table.name].append(content)
        except PARTITION_ERRORS as error:
            load.abandon()
            return error
        except BaseException:
            load.abandon()
            raise
        return load.finish(lambda connection: before_commit(connection, day) if before_commit else None)


def describe_error(error: BaseException) -> str:
    """What an error is, without its own text, which may quote rows: the system's words, or the name of its class."""
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else type(error).__name__


def _ended(day: date, outcome: Future[dict[str, int]] | BaseException) -> LoadedPartition:
    try:
        if isinstance(outcome, BaseException):
            raise outcome
        return LoadedPartition(day, outcome.result())
    except PipelineError as error:
        return LoadedPartition(day, {}, str(error))
    except PARTITION_ERRORS as error:
        # Their texts may quote rows: only their kind is passed on.
        return LoadedPartition(day, {}, f"the tables could not be written: {describe_error(error)}")
