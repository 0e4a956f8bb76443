"""Bulk load: a day of several tables in one transaction, streamed batch by batch.

What disappeared disappears: the day's rows are deleted by the partition, never by what arrived. A call that moved to
this day leaves no copy in its old one: its rows are deleted by id as well.
"""

from __future__ import annotations

import io
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from types import TracebackType

import psycopg
import pyarrow as pa
import pyarrow.csv as pa_csv

from copilot_pipeline.errors import PipelineError
from copilot_pipeline.load.tables import Kind, Table
from copilot_pipeline.load.warehouse.statements import SCHEMA
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection

# COPY reads CSV with an unquoted empty field as null and "" as the empty text, which is how Arrow writes them.
_COPY_OPTIONS = "(FORMAT csv)"
BATCHES_UNDER_WAY = 2
# The first key of the two-part lock on a day of the warehouse.
_LOADING_SPACE = 720_313


class WarehousePartitionLoader:
    """Replaces days, one after the other, each in a transaction of its own.

    The copying happens in a thread with a connection of its own, so that the next rows, and the next day's, are made
    while these are sent. Memory does not grow with the work: `append` waits while too many batches are under way.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="copy")
        self._room = threading.Semaphore(BATCHES_UNDER_WAY)

    def __enter__(self) -> WarehousePartitionLoader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(wait=True)

    def begin(self, tables: Sequence[Table], day: date) -> PartitionLoad:
        """Begins to replace a day. End it with `finish` or `abandon`, or the days behind it wait for ever."""
        load = PartitionLoad(tables, day, self._room)
        load.outcome = self._thread.submit(load.run, self._database)
        return load


class PartitionLoad:
    """One day on its way. `outcome` ends when its transaction has; it raises what went wrong."""

    outcome: Future[dict[str, int]]

    def __init__(self, tables: Sequence[Table], day: date, room: threading.Semaphore) -> None:
        self._tables = tables
        self._day = day
        self._room = room
        self._items: queue.SimpleQueue[_Batch | _End] = queue.SimpleQueue()
        self._end: _End | None = None

    def append(self, tables: Sequence[tuple[Table, pa.Table]], call_ids: Sequence[str]) -> None:
        """Adds rows of some calls."""
        self._room.acquire()
        self._items.put(_Batch(tables, list(call_ids)))

    def finish(self, before_commit: Callable[[Connection], None]) -> Future[dict[str, int]]:
        """No more rows: `before_commit` is the last part of the transaction. The future gives the rows by table."""
        self._items.put(_End(before_commit))
        return self.outcome

    def abandon(self) -> None:
        """Nothing of the day is replaced."""
        self._items.put(_End(None))

    def run(self, database: Database) -> dict[str, int]:
        """In the loader's thread: the transaction."""
        rows = dict.fromkeys((table.name for table in self._tables), 0)
        try:
            with database.transaction() as connection:
                self._clear(connection)
                with closing(self._received()) as received:
                    for batch in received:
                        self._copy(connection, batch, rows)
                if self._end is None or self._end.before_commit is None:
                    raise psycopg.Rollback
                self._end.before_commit(connection)
        finally:
            while self._end is None:  # a day that failed takes its remaining rows with it, not those of the next day
                with closing(self._received()) as received:
                    for _ in received:
                        pass
        return rows

    def _received(self) -> Generator[_Batch, None, None]:
        while isinstance(item := self._items.get(), _Batch):
            try:
                yield item
            finally:
                self._room.release()
        self._end = item

    def _clear(self, connection: Connection) -> None:
        # Two processes that replace the same day take turns: they would insert the same keys.
        connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_LOADING_SPACE, self._day.toordinal()))
        for table in self._tables:
            connection.execute(f"DELETE FROM {SCHEMA}.{table.name} WHERE call_date = %s", (self._day,))

    def _copy(self, connection: Connection, batch: _Batch, rows: dict[str, int]) -> None:
        self._delete_copies_elsewhere(connection, batch.call_ids)
        for table, content in batch.tables:
            copy_rows(connection, table, content)
            rows[table.name] += content.num_rows

    def _delete_copies_elsewhere(self, connection: Connection, call_ids: list[str]) -> None:
        # The first table has every call: nothing there, nothing anywhere.
        first = self._tables[0].name
        moved = connection.execute(
            f"SELECT call_id FROM {SCHEMA}.{first} WHERE call_id = ANY(%s) AND call_date <> %s", (call_ids, self._day)
        ).fetchall()
        for table in self._tables if moved else ():
            connection.execute(
                f"DELETE FROM {SCHEMA}.{table.name} WHERE call_id = ANY(%s) AND call_date <> %s",
                ([row[0] for row in moved], self._day),
            )


@dataclass(frozen=True, slots=True)
class _Batch:
    tables: Sequence[tuple[Table, pa.Table]]
    call_ids: list[str]


@dataclass(frozen=True, slots=True)
class _End:
    before_commit: Callable[[Connection], None] | None


def load_snapshot(database: Database, table: Table, rows: Iterable[pa.Table]) -> int:
    """Replaces an unpartitioned table whole, in one transaction. Returns the rows written."""
    written = 0
    with database.transaction() as connection:
        # Two processes that replace the same table take turns; readers are not kept waiting.
        connection.execute(f"LOCK TABLE {SCHEMA}.{table.name} IN SHARE ROW EXCLUSIVE MODE")
        connection.execute(f"DELETE FROM {SCHEMA}.{table.name}")
        for batch in rows:
            copy_rows(connection, table, batch)
            written += batch.num_rows
    return written


def copy_rows(connection: Connection, table: Table, batch: pa.Table) -> None:
    """COPY of one Arrow table into one Postgres table."""
    if batch.num_rows == 0:
        return
    buffer = io.BytesIO()
    pa_csv.write_csv(_as_csv_columns(table, batch), buffer, _WRITE)
    names = ", ".join(table.column_names)
    try:
        with (
            connection.cursor() as cursor,
            cursor.copy(f"COPY {SCHEMA}.{table.name} ({names}) FROM STDIN {_COPY_OPTIONS}") as copy,
        ):
            copy.write(buffer.getbuffer())
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        # PostgreSQL quotes the offending row, which may be what somebody said: only the kind of error is passed on.
        raise PipelineError(f"PostgreSQL refuses rows of {SCHEMA}.{table.name}: {type(error).__name__}") from None


_WRITE = pa_csv.WriteOptions(include_header=False)


def _as_csv_columns(table: Table, batch: pa.Table) -> pa.Table:
    """Arrow's CSV writer knows no lists: those become PostgreSQL array literals."""
    columns = []
    for column in table.columns:
        values = batch.column(column.name)
        if column.kind is Kind.TEXTS:
            values = pa.array([_array_literal(item) for item in values.to_pylist()], pa.string())
        columns.append(values)
    return pa.table(columns, names=list(table.column_names))


def _array_literal(items: list[str | None] | None) -> str | None:
    if items is None:
        return None
    return "{" + ",".join(map(_array_item, items)) + "}"


def _array_item(item: str | None) -> str:
    if item is None:
        return "NULL"
    escaped = item.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
