"""Write the rows of a day: all of them, or those of the calls that differ from the stored ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
from psycopg import sql

from copilot_pipeline.load.contents import Hashes, RowsByCall
from copilot_pipeline.load.tables import Table
from copilot_pipeline.load.warehouse.checksums import (
    CHECKSUM_OF_CALLS,
    CHECKSUM_OF_DAY,
    DELETE_CALLS,
    DELETE_OTHERS,
    Checksum,
    checksum,
)
from copilot_pipeline.load.warehouse.statements import table_identifier
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.state.table_versions import loading

DELETE_DAY = sql.SQL("DELETE FROM {table} WHERE call_date = %(day)s")

Checksums = Mapping[str, Checksum]  # by table


@dataclass(frozen=True, slots=True)
class StoredRows:
    """The rows that a day has: hashes of the rows of each call, by table, and the checksum of each table, if known.

    All rows of a table without hashes are written.
    """

    hashes: Mapping[str, Hashes]
    checksums: Mapping[str, Sequence[int]]


Stored = Callable[[Connection], StoredRows | None]  # returns None if nothing is known of the rows


class WholeDay:
    """Writes all rows of a day, of which nothing is known."""

    def __init__(self, connection: Connection, tables: Sequence[Table], day: date) -> None:
        self._connection = connection
        self._tables = tables
        self._day = day
        with loading(connection):
            for table in tables:
                connection.execute(DELETE_DAY.format(table=table_identifier(table)), {"day": day})

    def rows(self, part: RowsByCall) -> pa.Table:
        """Return the rows to copy."""
        return part.rows

    def finish(self) -> Checksums:
        """Return the checksum of each table, after its rows are copied."""
        return {table.name: checksum(self._connection, CHECKSUM_OF_DAY, table, self._day) for table in self._tables}


class ChangedCalls:
    """Writes the rows of the calls that differ from the stored ones.

    Checksums follow what is deleted and copied. They are not those of all rows that are there then: a row that
    something else has inserted must not become one of the load's.
    """

    def __init__(self, connection: Connection, tables: Sequence[Table], day: date, stored: StoredRows) -> None:
        self._connection = connection
        self._day = day
        self._stored = stored
        self._tables = tables
        self._call_ids: dict[str, list[str]] = {table.name: [] for table in tables}
        self._copied: dict[str, list[str]] = {table.name: [] for table in tables}
        self._checksums = {name: Checksum(*one) for name, one in stored.checksums.items() if name in stored.hashes}

    def rows(self, part: RowsByCall) -> pa.Table:
        """Delete the calls that differ, and return their new rows to copy."""
        name = part.table.name
        self._call_ids[name] += part.call_ids
        changed = part.changed(self._stored.hashes.get(name, {}))
        if changed:
            self._delete(DELETE_CALLS, part.table, changed)
            self._copied[name] += changed
        return part.only(changed)

    def finish(self) -> Checksums:
        """Delete the calls that have no rows any more, and return the checksum of each table, if known."""
        for table in self._tables:
            self._delete(DELETE_OTHERS, table, self._call_ids[table.name])
            if table.name not in self._stored.hashes:  # all of its rows were written
                self._checksums[table.name] = checksum(self._connection, CHECKSUM_OF_DAY, table, self._day)
            elif table.name in self._checksums and self._copied[table.name]:
                added = checksum(self._connection, CHECKSUM_OF_CALLS, table, self._day, self._copied[table.name])
                self._checksums[table.name] = self._checksums[table.name].plus(added)
        return self._checksums

    def _delete(self, statement: sql.SQL, table: Table, call_ids: Sequence[str]) -> None:
        with loading(self._connection):
            deleted = checksum(self._connection, statement, table, self._day, call_ids)
        if table.name in self._checksums:
            self._checksums[table.name] = self._checksums[table.name].minus(deleted)
