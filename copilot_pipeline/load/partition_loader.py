"""Load partitions into the lake and the warehouse.

The next one is built while the previous one is copied.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import date

import psycopg
import pyarrow as pa

from copilot_pipeline.errors import DISK_FULL, PipelineError, is_connection_loss
from copilot_pipeline.load.contents import DayContents, Hashes, RowsByCall
from copilot_pipeline.load.day_files import DayFile
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.lake.storage_errors import StorageError, system_message
from copilot_pipeline.load.tables import Table
from copilot_pipeline.load.tables.limits import TruncatedValue, fit_rows
from copilot_pipeline.load.versions import CurrentPartition, PartitionVersions, rows_as_facts
from copilot_pipeline.load.warehouse import WarehouseLoader
from copilot_pipeline.load.warehouse.copying import RefusedKeys, RefusedRow, RowsRefused, without_refused
from copilot_pipeline.load.warehouse.erased_rows import without_erased
from copilot_pipeline.load.warehouse.row_problems import record_refused, record_truncated
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.privacy.stored_tombstones import current_tombstones
from copilot_pipeline.state import CallStore
from copilot_pipeline.state.partitions import PartitionLock
from copilot_pipeline.state.table_versions import StoredContents

_TRUNCATED, _REFUSED = "truncated", "refused"
MAX_LOADS = 3  # attempts to load a day without the rows that PostgreSQL refuses
# Errors of one partition that do not stop the others.
PARTITION_ERRORS = (PipelineError, OSError, pa.ArrowException, psycopg.Error)


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


@dataclass(frozen=True, slots=True)
class CallBatch:
    """The rows of some calls, by table."""

    call_ids: Sequence[str]
    tables: Sequence[tuple[Table, pa.Table]]


@dataclass(slots=True)
class _Load:
    """One attempt to load a day."""

    day: date
    refused: tuple[RefusedRow, ...]  # by previous attempts
    truncated: list[TruncatedValue] = field(default_factory=list)
    version: str | None = None
    current: CurrentPartition | None = None
    contents: DayContents | None = None  # of a day without refused rows
    outcome: Future[dict[str, int]] | BaseException = field(default_factory=Future)

    def newly_refused(self) -> Sequence[RefusedRow]:
        """Return the rows that PostgreSQL refused, once the attempt has ended."""
        error = self.outcome if isinstance(self.outcome, BaseException) else self.outcome.exception()
        return error.rows if isinstance(error, RowsRefused) else ()


class _HeldLock:
    """The lock of a day that is loaded, released when the attempt ends."""

    def __init__(self, lock: PartitionLock, stack: ExitStack) -> None:
        self.confirm = lock.confirm
        self._stack = stack

    def release(self) -> None:
        """Release the lock. If its connection is lost, the server has released it."""
        with suppress(psycopg.OperationalError):
            self._stack.close()


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
        pending: deque[_Load] = deque()

        def start(day: date, refused: Sequence[RefusedRow] = ()) -> _Load:
            lock = self._lock(day, [load.outcome for load in pending if isinstance(load.outcome, Future)])
            started = _Load(day, tuple(refused))
            if versions is not None and not refused and self._is_current(started, versions):
                lock.release()
            else:
                started.outcome = self._start(loader, started, batches_of, end_of(started, lock), lock, versions)
            return started

        def end_of(load: _Load, lock: _HeldLock) -> Callable[[Connection, Mapping[str, int]], None]:
            def end(connection: Connection, rows: Mapping[str, int]) -> None:
                record_truncated(connection, self._tables, load.day, load.truncated)
                record_refused(connection, self._tables, load.day, load.refused)
                if before_commit:
                    before_commit(connection, load.day)
                if versions is not None:
                    facts = _facts(load, rows, facts_of(load.day))
                    load.version = versions.record(connection, load.day, facts, load.contents)
                lock.confirm()  # without it, another run may have loaded newer rows meanwhile

            return end

        def finish(load: _Load) -> LoadedPartition:
            """Load a day again without the rows that PostgreSQL refused, so that both stores have the others."""
            for _ in range(MAX_LOADS):
                rows = load.newly_refused()
                if not rows:
                    break
                load = start(load.day, (*load.refused, *rows))
            return _result(load)

        with WarehouseLoader(self._database) as loader:
            for day in days:
                pending.append(start(day))
                if len(pending) > 1:
                    yield finish(pending.popleft())
            while pending:
                yield finish(pending.popleft())

    def _is_current(self, load: _Load, versions: PartitionVersions) -> bool:
        """Return whether a day needs no load, because it is up to date, or because that cannot be found out."""
        try:
            load.current = versions.current(load.day)
        except PARTITION_ERRORS as error:
            load.outcome = error
            return True
        if load.current is None:
            return False
        load.version = load.current.version
        load.outcome = Future()
        load.outcome.set_result(load.current.rows(self._tables))
        return True

    def _lock(self, day: date, pending: Sequence[Future[dict[str, int]]]) -> _HeldLock:
        """Lock the partition.

        If it is taken, release our other locks first, so that two runs cannot deadlock.
        """
        stack = ExitStack()
        lock = stack.enter_context(self._partitions.lock(day, wait=False))
        if not lock.is_held:
            stack.close()
            wait(pending)  # each of them releases its lock when it is done
            lock = stack.enter_context(self._partitions.lock(day))
        return _HeldLock(lock, stack)

    def _start(
        self,
        loader: WarehouseLoader,
        load: _Load,
        batches_of: Callable[[date], Iterator[CallBatch]],
        end: Callable[[Connection, Mapping[str, int]], None],
        lock: _HeldLock,
        versions: PartitionVersions | None,
    ) -> Future[dict[str, int]] | BaseException:
        day, refused_keys, contents = load.day, RefusedKeys(load.refused), DayContents(self._tables)
        with self._database.connection() as connection:
            tombstones = current_tombstones(connection, hold=False)  # an erasure waits for the lock of the day
        stored = versions.contents(day) if versions is not None else None
        copy = loader.start(self._tables, day, lambda connection: _held(versions, connection, day, stored))
        copy.outcome.add_done_callback(lambda _: lock.release())
        try:
            with self._lake.writers(self._tables, day) as writers:
                present = versions.present_files(day, stored) if versions is not None and stored is not None else {}
                files = {
                    table.name: DayFile(self._lake, table, day, writers[table.name], present.get(table.name))
                    for table in self._tables
                }
                for batch in batches_of(day):
                    fitted = []
                    for table, content in batch.tables:
                        kept = without_erased(table, content, tombstones)
                        rows, truncated = fit_rows(table, self._lake.private_columns.apply(table, kept))
                        load.truncated += truncated
                        fitted.append(RowsByCall(table, without_refused(table, rows, refused_keys)))
                        contents.add(fitted[-1])
                    copy.append(fitted, batch.call_ids)
                    for part in fitted:
                        files[part.table.name].append(part)
                for file in files.values():
                    file.finish()
        except PARTITION_ERRORS as error:
            copy.rollback()
            return error
        except BaseException:
            copy.rollback()
            raise

        load.contents = contents if not load.refused else None
        counts = {name: file.rows for name, file in files.items()}
        return copy.commit(lambda connection: end(connection, counts))


def _held(
    versions: PartitionVersions | None, connection: Connection, day: date, stored: StoredContents | None
) -> Mapping[str, Hashes] | None:
    """Return the hashes of the stored rows, if these are still the rows of the day."""
    is_held = versions is not None and stored is not None and versions.hold_contents(connection, day, stored)
    return stored.contents if stored is not None and is_held else None


def _facts(load: _Load, rows: Mapping[str, int], facts: Mapping[str, int] | None) -> Mapping[str, int] | None:
    """Return the numbers that are reported again while the partition is up to date."""
    if facts is None:
        return None
    counts = rows_as_facts(rows)
    return {**facts, **counts, _TRUNCATED: len(load.truncated), _REFUSED: len(load.refused)}


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


def _result(load: _Load) -> LoadedPartition:
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
                truncated=facts.get(_TRUNCATED, 0),
                refused=facts.get(_REFUSED, 0),
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
