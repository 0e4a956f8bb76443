"""Read the rows that calls have in the warehouse, to keep them if they cannot be built again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

import pyarrow as pa
from psycopg import sql
from psycopg.rows import dict_row

from copilot_pipeline.load.day_load import CallBatch
from copilot_pipeline.load.tables import Column, Kind, Table
from copilot_pipeline.load.warehouse.statements import table_identifier
from copilot_pipeline.postgres import Database

_SELECT = sql.SQL(
    "SELECT {columns} FROM {table} AS stored WHERE call_date = %(day)s AND call_id = ANY(%(call_ids)s) ORDER BY {key}"
)


def read_calls(database: Database, tables: Sequence[Table], day: date, call_ids: Collection[str]) -> CallBatch:
    """Return the rows of some calls of a day as they are in the warehouse; `call_ids` are those of the first table."""
    by_table: list[tuple[Table, pa.Table]] = []
    with database.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        for table in tables:
            statement = _SELECT.format(
                columns=sql.SQL(", ").join(map(_expression, table.columns)),
                table=table_identifier(table),
                key=sql.SQL(", ").join(map(sql.Identifier, table.key)),
            )
            rows = cursor.execute(statement, {"day": day, "call_ids": sorted(call_ids)}).fetchall()
            by_table.append((table, pa.Table.from_pylist(rows, schema=table.arrow_schema)))
    return CallBatch(list(dict.fromkeys(by_table[0][1].column("call_id").to_pylist())), by_table)


def read_snapshot(database: Database, table: Table) -> list[dict[str, Any]]:
    """Return all rows of an unpartitioned table as they are in the warehouse."""
    columns = sql.SQL(", ").join(map(_expression, table.columns))
    with database.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        statement = sql.SQL("SELECT {columns} FROM {table} AS stored")
        return cursor.execute(statement.format(columns=columns, table=table_identifier(table))).fetchall()


def _expression(column: Column) -> sql.Composable:
    name = sql.Identifier(column.name)
    if column.kind is Kind.JSON:
        return sql.SQL("{0}::text AS {0}").format(name)
    if column.name == "removed_at":  # a call may have been removed since its rows were built
        return sql.SQL(
            "coalesce((SELECT calls.removed_at FROM copilot_ops.calls AS calls WHERE calls.call_id = stored.call_id), "
            "removed_at) AS removed_at"
        )
    return name
