"""Checksums of the rows that PostgreSQL has, which `run --force` compares with those of the last load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from psycopg import sql

from copilot_pipeline.load.tables import Table
from copilot_pipeline.load.warehouse.statements import table_identifier
from copilot_pipeline.postgres.connections import Connection

CHECKSUM_OF_DAY = sql.SQL(
    "SELECT count(*), coalesce(bit_xor(hash_record_extended(stored, 0)), 0) FROM {table} AS stored "
    "WHERE call_date = %(day)s"
)
CHECKSUM_OF_CALLS = sql.SQL(
    "SELECT count(*), coalesce(bit_xor(hash_record_extended(stored, 0)), 0) FROM {table} AS stored "
    "WHERE call_date = %(day)s AND call_id = ANY(%(call_ids)s)"
)
DELETE_CALLS = sql.SQL(
    "WITH deleted AS (DELETE FROM {table} AS stored WHERE call_id = ANY(%(call_ids)s) AND call_date = %(day)s "
    "RETURNING hash_record_extended(stored, 0) AS hash) SELECT count(*), coalesce(bit_xor(hash), 0) FROM deleted"
)
DELETE_OTHERS = sql.SQL(
    "WITH deleted AS (DELETE FROM {table} AS stored WHERE call_date = %(day)s AND call_id <> ALL(%(call_ids)s) "
    "RETURNING hash_record_extended(stored, 0) AS hash) SELECT count(*), coalesce(bit_xor(hash), 0) FROM deleted"
)


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


def checksum(
    connection: Connection, statement: sql.SQL, table: Table, day: date, call_ids: Sequence[str] = ()
) -> Checksum:
    """Execute one of the statements; return the checksum of the rows that it reads or deletes."""
    values = {"day": day, "call_ids": list(call_ids)}
    row = connection.execute(statement.format(table=table_identifier(table)), values).fetchone()
    assert row is not None
    return Checksum(*row)


def unchanged_tables(
    connection: Connection, tables: Sequence[Table], day: date, recorded: Mapping[str, Sequence[int]]
) -> set[str]:
    """Return the tables whose rows of a day are those that the last load left, by their checksums."""
    return {
        table.name
        for table in tables
        if table.name in recorded and checksum(connection, CHECKSUM_OF_DAY, table, day) == tuple(recorded[table.name])
    }
