"""Copy Arrow tables into PostgreSQL tables with COPY."""

from __future__ import annotations

import io

import psycopg
import pyarrow as pa
import pyarrow.csv as pa_csv
from psycopg import sql

from copilot_pipeline.errors import PipelineError
from copilot_pipeline.load.tables import Kind, Table
from copilot_pipeline.load.warehouse.statements import table_identifier
from copilot_pipeline.postgres.connections import Connection

_WRITE = pa_csv.WriteOptions(include_header=False)
# COPY reads an unquoted empty CSV field as null and "" as an empty text, which is how Arrow writes them.
_COPY = sql.SQL("COPY {table} ({columns}) FROM STDIN (FORMAT csv)")


def copy_rows(connection: Connection, table: Table, batch: pa.Table) -> None:
    """Copy one Arrow table into one PostgreSQL table.

    Raises `PipelineError` without the row that PostgreSQL refuses, because it may contain what was said on a call.
    """
    if batch.num_rows == 0:
        return
    buffer = io.BytesIO()
    pa_csv.write_csv(_as_csv_columns(table, batch), buffer, _WRITE)
    columns = sql.SQL(", ").join(map(sql.Identifier, table.column_names))
    statement = _COPY.format(table=table_identifier(table), columns=columns)
    try:
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(buffer.getbuffer())
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        raise PipelineError(f"PostgreSQL refuses rows of copilot.{table.name}: {type(error).__name__}") from None


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
