"""Bulk load: a day of several tables in one transaction, streamed batch by batch.

What disappeared disappears: the day's rows are deleted by the partition, never by what arrived. A call that moved to
this day leaves no copy in its old one: its rows are deleted by id as well.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from datetime import date

import pyarrow as pa
import pyarrow.csv as pa_csv

from copilot_pipeline.database import Database
from copilot_pipeline.database.connections import Connection
from copilot_pipeline.tables import Kind, Table
from copilot_pipeline.warehouse.statements import SCHEMA

# COPY reads CSV with an unquoted empty field as null and "" as the empty text, which is how Arrow writes them.
_COPY_OPTIONS = "(FORMAT csv)"


class DayLoad:
    """One transaction that replaces one day of some tables. Made by `load_day`."""

    def __init__(self, connection: Connection, tables: Sequence[Table], day: date) -> None:
        self._connection = connection
        self._day = day
        self.rows = {table.name: 0 for table in tables}
        for table in tables:
            connection.execute(f"DELETE FROM {SCHEMA}.{table.name} WHERE call_date = %s", (day,))

    def append(self, table: Table, batch: pa.Table, *, call_ids: Sequence[str] | None = None) -> None:
        """Adds rows. `call_ids` are the calls in the batch, so that copies in other days go away."""
        if call_ids:
            self._connection.execute(
                f"DELETE FROM {SCHEMA}.{table.name} WHERE call_id = ANY(%s) AND call_date <> %s",
                (list(call_ids), self._day),
            )
        copy_rows(self._connection, table, batch)
        self.rows[table.name] += batch.num_rows


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
