"""Bulk load: a day of several tables in one transaction, streamed batch by batch.

What disappeared disappears: the day's rows are deleted by the partition, never by what arrived. A call that moved to
this day leaves no copy in its old one: its rows are deleted by id as well.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from types import TracebackType

import pyarrow as pa
import pyarrow.csv as pa_csv

from copilot_pipeline.database import Database
from copilot_pipeline.database.connections import Connection
from copilot_pipeline.tables import Kind, Table
from copilot_pipeline.warehouse.statements import SCHEMA

# COPY reads CSV with an unquoted empty field as null and "" as the empty text, which is how Arrow writes them.
_COPY_OPTIONS = "(FORMAT csv)"
BATCHES_UNDER_WAY = 2


class DayLoad:
    """One transaction that replaces one day of some tables. Made by `load_day`.

    The copying happens in a thread of its own, so that the next rows are made while these are sent. Only that thread
    uses the connection until `finish` returns.
    """

    def __init__(self, connection: Connection, tables: Sequence[Table], day: date) -> None:
        self._connection = connection
        self._tables = tables
        self._day = day
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="copy")
        self._pending: deque[Future[None]] = deque([self._thread.submit(self._delete_day)])
        self.rows = {table.name: 0 for table in tables}

    def __enter__(self) -> DayLoad:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)

    def append(self, tables: Sequence[tuple[Table, pa.Table]], call_ids: Sequence[str]) -> None:
        """Adds rows of some calls. Waits while too many batches are under way: memory must not grow with the day."""
        while len(self._pending) >= BATCHES_UNDER_WAY:
            self._pending.popleft().result()
        self._pending.append(self._thread.submit(self._copy, tables, list(call_ids)))

    def finish(self) -> None:
        """Waits until everything is sent; raises what went wrong."""
        while self._pending:
            self._pending.popleft().result()

    def _delete_day(self) -> None:
        for table in self._tables:
            self._connection.execute(f"DELETE FROM {SCHEMA}.{table.name} WHERE call_date = %s", (self._day,))

    def _copy(self, tables: Sequence[tuple[Table, pa.Table]], call_ids: list[str]) -> None:
        self._delete_copies_elsewhere(call_ids)
        for table, rows in tables:
            copy_rows(self._connection, table, rows)
            self.rows[table.name] += rows.num_rows

    def _delete_copies_elsewhere(self, call_ids: list[str]) -> None:
        for table in self._tables:
            self._connection.execute(
                f"DELETE FROM {SCHEMA}.{table.name} WHERE call_id = ANY(%s) AND call_date <> %s",
                (call_ids, self._day),
            )


def load_day(connection: Connection, tables: Sequence[Table], day: date) -> DayLoad:
    """Begins to replace a day inside the caller's transaction."""
    return DayLoad(connection, tables, day)


def load_snapshot(database: Database, table: Table, rows: Iterable[pa.Table]) -> int:
    """Replaces an unpartitioned table whole, in one transaction. Returns the rows written."""
    written = 0
    with database.transaction() as connection:
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
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {SCHEMA}.{table.name} ({names}) FROM STDIN {_COPY_OPTIONS}") as copy,
    ):
        copy.write(buffer.getbuffer())


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
    quoted = ('"' + (item or "").replace("\\", "\\\\").replace('"', '\\"') + '"' for item in items)
    return "{" + ",".join(quoted) + "}"
