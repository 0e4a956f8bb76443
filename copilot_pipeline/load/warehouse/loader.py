"""Replace a day of several tables in one transaction, streamed batch by batch.

If it is known what the rows of the day are, only calls whose rows differ are written. Otherwise the day is deleted
first. Either way rows that are missing from the new data disappear. Calls that moved to this day are deleted from their
previous day by id.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from types import TracebackType

import psycopg
import pyarrow as pa
from psycopg import sql

from copilot_pipeline.load.contents import RowsByCall
from copilot_pipeline.load.tables import Table
from copilot_pipeline.load.warehouse.copying import RefusedRow, RowsRefused, copy_accepted_rows
from copilot_pipeline.load.warehouse.day_writers import ChangedCalls, Checksums, Stored, WholeDay
from copilot_pipeline.load.warehouse.statements import table_identifier
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection

BeforeCommit = Callable[[Connection, Checksums], None]  # with the checksums of what was written

MAX_QUEUED_BATCHES = 2
MAX_REFUSED_ROWS = 1000  # of a day: then something else is wrong than a few values
# The first key of the two-part advisory lock on a day of the warehouse.
_LOAD_LOCK_SPACE = 720_313

SELECT_MOVED = sql.SQL("SELECT call_id FROM {table} WHERE call_id = ANY(%(call_ids)s) AND call_date <> %(day)s")
DELETE_MOVED = sql.SQL("DELETE FROM {table} WHERE call_id = ANY(%(call_ids)s) AND call_date <> %(day)s")


class WarehouseLoader:
    """Replaces days one after the other, each in its own transaction.

    The rows are copied in a thread with its own connection, so that the next rows and the next day are built meanwhile.
    Memory is bounded: `append` blocks while too many batches are queued.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="copy")
        self._slots = threading.Semaphore(MAX_QUEUED_BATCHES)

    def __enter__(self) -> WarehouseLoader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(wait=True)

    def start(self, tables: Sequence[Table], day: date, stored: Stored = lambda _: None) -> PartitionCopy:
        """Start to replace a day.

        `stored` returns, in the transaction, what the rows of the day are.
        End it with `commit` or `rollback`, else the following days never start.
        """
        copy = PartitionCopy(tables, day, self._slots, stored)
        copy.outcome = self._thread.submit(copy.run, self._database)
        return copy


class PartitionCopy:
    """The transaction that replaces one day.

    `outcome` has the rows by table, or the error.
    """

    outcome: Future[dict[str, int]]

    def __init__(self, tables: Sequence[Table], day: date, slots: threading.Semaphore, stored: Stored) -> None:
        self._tables = tables
        self._day = day
        self._slots = slots
        self._stored = stored
        self._items: queue.SimpleQueue[_Batch | _End] = queue.SimpleQueue()
        self._end: _End | None = None
        self._refused: list[RefusedRow] = []

    def append(self, tables: Sequence[RowsByCall], call_ids: Sequence[str]) -> None:
        """Add the rows of some calls."""
        self._slots.acquire()
        self._items.put(_Batch(tables, list(call_ids)))

    def commit(self, before_commit: BeforeCommit) -> Future[dict[str, int]]:
        """End the transaction with `before_commit`. Returns `outcome`."""
        self._items.put(_End(before_commit))
        return self.outcome

    def rollback(self) -> None:
        """End the transaction without a change."""
        self._items.put(_End(None))

    def run(self, database: Database) -> dict[str, int]:
        """Run the transaction in the loader's thread and return the rows by table."""
        rows = dict.fromkeys((table.name for table in self._tables), 0)
        try:
            with database.transaction() as connection:
                # Two processes that replace the same day would insert the same keys, so the second one waits.
                connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_LOAD_LOCK_SPACE, self._day.toordinal()))
                write = self._writer(connection)
                with closing(self._received()) as received:
                    for batch in received:
                        self._delete_moved_calls(connection, batch.call_ids)
                        for part in batch.tables:
                            self._copy(connection, part.table, write.rows(part))
                            rows[part.table.name] += part.rows.num_rows
                if self._end is None or self._end.before_commit is None:
                    raise psycopg.Rollback
                if self._refused:
                    raise RowsRefused(self._refused[0].table, self._refused[0].reason, self._refused)
                self._end.before_commit(connection, write.finish())
        finally:
            while self._end is None:  # after an error, discard the remaining batches of this day
                with closing(self._received()) as received:
                    for _ in received:
                        pass
        return rows

    def _received(self) -> Generator[_Batch, None, None]:
        while isinstance(item := self._items.get(), _Batch):
            try:
                yield item
            finally:
                self._slots.release()
        self._end = item

    def _writer(self, connection: Connection) -> WholeDay | ChangedCalls:
        stored = self._stored(connection)
        if stored is None:
            return WholeDay(connection, self._tables, self._day)
        return ChangedCalls(connection, self._tables, self._day, stored)

    def _copy(self, connection: Connection, table: Table, rows: pa.Table) -> None:
        self._refused += copy_accepted_rows(connection, table, rows)
        if len(self._refused) > MAX_REFUSED_ROWS:
            raise RowsRefused(table, self._refused[-1].reason)

    def _delete_moved_calls(self, connection: Connection, call_ids: list[str]) -> None:
        # The first table has every call: a call without a row in it on another day has none in the other tables.
        first = table_identifier(self._tables[0])
        moved = connection.execute(
            SELECT_MOVED.format(table=first), {"call_ids": call_ids, "day": self._day}
        ).fetchall()
        for table in self._tables if moved else ():
            connection.execute(
                DELETE_MOVED.format(table=table_identifier(table)),
                {"call_ids": [call_id for (call_id,) in moved], "day": self._day},
            )


@dataclass(frozen=True, slots=True)
class _Batch:
    tables: Sequence[RowsByCall]
    call_ids: list[str]


@dataclass(frozen=True, slots=True)
class _End:
    before_commit: BeforeCommit | None
