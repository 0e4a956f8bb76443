"""One attempt to load a day: its rows to the lake and the warehouse, and what is recorded with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import date

import psycopg
import pyarrow as pa

from copilot_pipeline.errors import PipelineError
from copilot_pipeline.load.contents import DayContents, RowsByCall
from copilot_pipeline.load.day_files import DayFile
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.lake.table_writers import TableWriter
from copilot_pipeline.load.tables import Table
from copilot_pipeline.load.tables.limits import TruncatedValue, fit_rows
from copilot_pipeline.load.versions import CurrentPartition, PartitionVersions, rows_as_facts
from copilot_pipeline.load.warehouse import PartitionCopy, WarehouseLoader
from copilot_pipeline.load.warehouse.checksums import unchanged_tables
from copilot_pipeline.load.warehouse.copying import RefusedKeys, RefusedRow, RowsRefused, without_refused
from copilot_pipeline.load.warehouse.day_writers import Checksums, StoredRows
from copilot_pipeline.load.warehouse.erased_rows import without_erased
from copilot_pipeline.load.warehouse.row_problems import record_refused, record_truncated
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.privacy.stored_tombstones import current_tombstones
from copilot_pipeline.privacy.tombstones import Tombstones
from copilot_pipeline.state.partitions import PartitionLock
from copilot_pipeline.state.table_versions import RowContents, StoredContents

TRUNCATED, REFUSED = "truncated", "refused"
# Errors of one partition that do not stop the others.
PARTITION_ERRORS = (PipelineError, OSError, pa.ArrowException, psycopg.Error)


@dataclass(frozen=True, slots=True)
class CallBatch:
    """The rows of some calls, by table."""

    call_ids: Sequence[str]
    tables: Sequence[tuple[Table, pa.Table]]


@dataclass(frozen=True, slots=True)
class DaySource:
    """Where the rows of days come from, and what is recorded with them; see `PartitionLoader.load`."""

    batches_of: Callable[[date], Iterator[CallBatch]]
    before_commit: Callable[[Connection, date], None] | None
    facts_of: Callable[[date], Mapping[str, int] | None]
    versions: PartitionVersions | None


class HeldLock:
    """The lock of a day that is loaded, released when the attempt ends."""

    def __init__(self, lock: PartitionLock, stack: ExitStack) -> None:
        self.confirm = lock.confirm
        self._stack = stack

    def release(self) -> None:
        """Release the lock. If its connection is lost, the server has released it."""
        with suppress(psycopg.OperationalError):
            self._stack.close()


@dataclass(slots=True)
class DayLoad:
    """One attempt to load a day."""

    lake: Lake
    database: Database
    tables: Sequence[Table]
    source: DaySource
    day: date
    refused: tuple[RefusedRow, ...]  # by previous attempts
    truncated: list[TruncatedValue] = field(default_factory=list)
    version: str | None = None
    current: CurrentPartition | None = None
    outcome: Future[dict[str, int]] | BaseException = field(default_factory=Future)

    def newly_refused(self) -> Sequence[RefusedRow]:
        """Return the rows that PostgreSQL refused, once the attempt has ended."""
        error = self.outcome if isinstance(self.outcome, BaseException) else self.outcome.exception()
        return error.rows if isinstance(error, RowsRefused) else ()

    def run(self, loader: WarehouseLoader, lock: HeldLock) -> None:
        """Load the day unless it is up to date. The rows are built here and copied in the thread of `loader`."""
        if self.source.versions is not None and not self.refused and self._is_current(self.source.versions):
            lock.release()
        else:
            self.outcome = self._write(loader, lock)

    def _is_current(self, versions: PartitionVersions) -> bool:
        """Return whether a day needs no load, because it is up to date, or because that cannot be found out."""
        try:
            self.current = versions.current(self.day)
        except PARTITION_ERRORS as error:
            self.outcome = error
            return True
        if self.current is None:
            return False
        self.version = self.current.version
        self.outcome = Future()
        self.outcome.set_result(self.current.rows(self.tables))
        return True

    def _write(self, loader: WarehouseLoader, lock: HeldLock) -> Future[dict[str, int]] | BaseException:
        versions, contents = self.source.versions, DayContents(self.tables)
        with self.database.connection() as connection:
            tombstones = current_tombstones(connection, hold=False)  # an erasure waits for the lock of the day
        stored = versions.contents(self.day) if versions is not None else None
        copy = loader.start(self.tables, self.day, lambda connection: self._stored_rows(connection, stored))
        copy.outcome.add_done_callback(lambda _: lock.release())
        try:
            with self.lake.writers(self.tables, self.day) as writers:
                counts = self._append(copy, self._files(writers, stored), tombstones, contents)
        except PARTITION_ERRORS as error:
            copy.rollback()
            return error
        except BaseException:
            copy.rollback()
            raise

        def end(connection: Connection, checksums: Checksums) -> None:
            self._end(connection, counts, contents, checksums)
            lock.confirm()  # without it, another run may have loaded newer rows meanwhile

        return copy.commit(end)

    def _stored_rows(self, connection: Connection, stored: StoredContents | None) -> StoredRows | None:
        """Return what the rows of the day are; with `force`, only of tables that PostgreSQL still has as recorded."""
        versions = self.source.versions
        if versions is None or stored is None or not versions.hold_contents(connection, self.day, stored):
            return None
        hashes = stored.contents
        if versions.is_forced:
            unchanged = unchanged_tables(connection, self.tables, self.day, stored.checksums or {})
            hashes = {name: of_calls for name, of_calls in hashes.items() if name in unchanged}
        return StoredRows(hashes, stored.checksums or {})

    def _files(self, writers: Mapping[str, TableWriter], stored: StoredContents | None) -> dict[str, DayFile]:
        versions = self.source.versions
        present = versions.present_files(self.day, stored) if versions is not None and stored is not None else {}
        return {
            table.name: DayFile(self.lake, table, self.day, writers[table.name], present.get(table.name))
            for table in self.tables
        }

    def _append(
        self, copy: PartitionCopy, files: Mapping[str, DayFile], tombstones: Tombstones, contents: DayContents
    ) -> dict[str, int]:
        """Write all batches of the day to both stores; return the number of rows by table."""
        refused_keys = RefusedKeys(self.refused)
        for batch in self.source.batches_of(self.day):
            fitted = []
            for table, content in batch.tables:
                kept = without_erased(table, content, tombstones)
                rows, truncated = fit_rows(table, self.lake.private_columns.apply(table, kept))
                self.truncated += truncated
                fitted.append(RowsByCall(table, without_refused(table, rows, refused_keys)))
                contents.add(fitted[-1])
            copy.append(fitted, batch.call_ids)
            for part in fitted:
                files[part.table.name].append(part)
        for file in files.values():
            file.finish()
        return {name: file.rows for name, file in files.items()}

    def _end(
        self, connection: Connection, rows: Mapping[str, int], contents: DayContents, checksums: Checksums
    ) -> None:
        """Record what the day is made from, in the transaction that writes its rows, after its files are written."""
        record_truncated(connection, self.tables, self.day, self.truncated)
        record_refused(connection, self.tables, self.day, self.refused)
        if self.source.before_commit:
            self.source.before_commit(connection, self.day)
        if self.source.versions is not None:
            hashes = contents.by_table if not self.refused else None
            written = RowContents(hashes, checksums) if hashes is not None else None
            self.version = self.source.versions.record(connection, self.day, self._facts(rows), written)

    def _facts(self, rows: Mapping[str, int]) -> Mapping[str, int] | None:
        """Return the numbers that are reported again while the partition is up to date."""
        facts = self.source.facts_of(self.day)
        if facts is None:
            return None
        return {**facts, **rows_as_facts(rows), TRUNCATED: len(self.truncated), REFUSED: len(self.refused)}
