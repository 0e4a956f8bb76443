"""Checksums of the rows that PostgreSQL has, which `run --force` compares with those of the last load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from psycopg import sql

from copilot_pipeline.load.tables import Table
from copilot_pipeline.load.warehouse.statements import table_identifier
from copilot_pipeline.postgres.connections import Connection

_SUM = sql.SQL("SELECT count(*), coalesce(bit_xor(hash_record_extended({rows}, 0)), 0) FROM {source}")
_OF_DAY = sql.SQL("{table} AS stored WHERE call_date = %(day)s")
_OF_CALLS = sql.SQL("{table} AS stored WHERE call_date = %(day)s AND call_id = ANY(%(call_ids)s)")
_DELETE = sql.SQL(
    "WITH deleted AS (DELETE FROM {table} AS stored WHERE call_date = %(day)s AND call_id {condition} "
    "RETURNING hash_record_extended(stored, 0) AS hash) SELECT count(*), coalesce(bit_xor(hash), 0) FROM deleted"
)
_THESE, _OTHERS = sql.SQL("= ANY(%(call_ids)s)"), sql.SQL("<> ALL(%(call_ids)s)")


class Checksum(NamedTuple):
    """The number of rows and the exclusive or of their hashes, which does not depend on their order."""

    rows: int
    bits: int

    def plus(self, other: Checksum) -> Checksum:
        """Return the checksum with the rows of another one."""
        return Checksum(self.rows + other.rows, self.bits ^ other.bits)

    def minus(self, other: Checksum) -> Checksum:
        """Return the checksum without the rows of another one."""
        return Checksum(self.rows - other.rows, self.bits ^ other.bits)


def checksum_of_day(connection: Connection, table: Table, day: date) -> Checksum:
    """Return the checksum of all rows of a day."""
    return _read(connection, _OF_DAY, table, {"day": day})


def checksum_of_calls(connection: Connection, table: Table, day: date, call_ids: Sequence[str]) -> Checksum:
    """Return the checksum of the rows of some calls of a day."""
    return _read(connection, _OF_CALLS, table, {"day": day, "call_ids": list(call_ids)})


def delete_calls(
    connection: Connection, table: Table, day: date, call_ids: Sequence[str], *, others: bool = False
) -> Checksum:
    """Delete the rows of some calls of a day, or those of all `others`; return the checksum of what was deleted."""
    statement = _DELETE.format(table=table_identifier(table), condition=_OTHERS if others else _THESE)
    row = connection.execute(statement, {"day": day, "call_ids": list(call_ids)}).fetchone()
    assert row is not None
    return Checksum(*row)


def unchanged_tables(
    connection: Connection, tables: Sequence[Table], day: date, recorded: Mapping[str, Sequence[int]]
) -> set[str]:
    """Return the tables whose rows of a day are those that the last load left, by their checksums."""
    return {
        table.name
        for table in tables
        if table.name in recorded and checksum_of_day(connection, table, day) == tuple(recorded[table.name])
    }


def _read(connection: Connection, source: sql.SQL, table: Table, values: Mapping[str, object]) -> Checksum:
    statement = _SUM.format(rows=sql.Identifier("stored"), source=source.format(table=table_identifier(table)))
    row = connection.execute(statement, values).fetchone()
    assert row is not None
    return Checksum(*row)
