"""Copy Arrow tables into PostgreSQL tables with COPY."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import psycopg
import pyarrow as pa
import pyarrow.csv as pa_csv
from psycopg import sql

from copilot_pipeline.errors import PipelineError
from copilot_pipeline.load.tables import Kind, Table
from copilot_pipeline.load.tables.limits import keys_of, row_key
from copilot_pipeline.load.warehouse.statements import table_identifier
from copilot_pipeline.postgres.connections import Connection

# The last one is an entry that is too large for its index; it is not the loss of a connection.
_REFUSALS = (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.ProgramLimitExceeded)
_WRITE = pa_csv.WriteOptions(include_header=False)
# COPY reads an unquoted empty CSV field as null and "" as an empty text, which is how Arrow writes them.
_COPY = sql.SQL("COPY {table} ({columns}) FROM STDIN (FORMAT csv)")


class RowsRefused(PipelineError):
    """PostgreSQL refuses rows of a table. `rows` are those that were found."""

    def __init__(self, table: Table, reason: str, rows: Sequence[RefusedRow] = ()) -> None:
        super().__init__(f"PostgreSQL refuses rows of copilot.{table.name}: {reason}")
        self.reason = reason
        self.rows = tuple(rows)


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that PostgreSQL refuses, with its key and its content as JSON."""

    table: Table
    key: str
    reason: str
    body: bytes

    @property
    def is_duplicate(self) -> bool:
        """Whether another row has the same key."""
        return self.reason == psycopg.errors.UniqueViolation.__name__


def copy_rows(connection: Connection, table: Table, batch: pa.Table, into: sql.Identifier | None = None) -> None:
    """Copy one Arrow table into its PostgreSQL table, or into another one with the same columns.

    Raises `RowsRefused` without the row that PostgreSQL refuses, because it may contain what was said on a call.
    """
    if batch.num_rows == 0:
        return
    buffer = io.BytesIO()
    pa_csv.write_csv(_as_csv_columns(table, batch), buffer, _WRITE)
    columns = sql.SQL(", ").join(map(sql.Identifier, table.column_names))
    statement = _COPY.format(table=into or table_identifier(table), columns=columns)
    try:
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(buffer.getbuffer())
    except _REFUSALS as error:
        raise RowsRefused(table, type(error).__name__) from None


def copy_accepted_rows(
    connection: Connection, table: Table, batch: pa.Table, into: sql.Identifier | None = None
) -> list[RefusedRow]:
    """Copy the rows that PostgreSQL accepts, and return the others.

    A refused batch is halved until each refused row is found. The transaction stays usable.
    """
    try:
        with connection.transaction():
            copy_rows(connection, table, batch, into)
    except RowsRefused as refused:
        if batch.num_rows == 1:
            return [RefusedRow(table, row_key(table, batch, 0), refused.reason, _as_json(batch))]
        half = batch.num_rows // 2
        first = copy_accepted_rows(connection, table, batch.slice(0, half), into)
        return first + copy_accepted_rows(connection, table, batch.slice(half), into)
    return []


def without_refused(table: Table, batch: pa.Table, refused: RefusedKeys) -> pa.Table:
    """Return the rows of a batch that PostgreSQL has not refused."""
    if not refused.has(table):
        return batch
    is_accepted = [not refused.contains(table, key) for key in keys_of(table, batch)]
    return batch.filter(pa.array(is_accepted, pa.bool_()))


class RefusedKeys:
    """The keys of refused rows. Of rows with equal keys, the first one is not refused."""

    def __init__(self, rows: Iterable[RefusedRow]) -> None:
        self._tables: defaultdict[str, dict[str, bool]] = defaultdict(dict)  # key -> whether it is only a duplicate
        for row in rows:
            keys = self._tables[row.table.name]
            keys[row.key] = row.is_duplicate and keys.get(row.key, True)
        self._seen: set[tuple[str, str]] = set()

    def has(self, table: Table) -> bool:
        """Return whether rows of a table were refused."""
        return table.name in self._tables

    def contains(self, table: Table, key: str) -> bool:
        """Return whether the next row with this key is refused."""
        is_duplicate = self._tables[table.name].get(key)
        if is_duplicate is None:
            return False
        is_first = (table.name, key) not in self._seen
        self._seen.add((table.name, key))
        return not (is_duplicate and is_first)


def _as_json(row: pa.Table) -> bytes:
    """Return a row as JSON, for the quarantine."""
    return json.dumps(row.to_pylist()[0], ensure_ascii=False, default=str).encode("utf-8", "replace")


def _as_csv_columns(table: Table, batch: pa.Table) -> pa.Table:
    """Convert lists, which Arrow's CSV writer does not support, to array literals."""
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
