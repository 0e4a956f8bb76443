"""Keep the versions of deals and users when their snapshots are replaced (type 2).

The versions are written in the transaction that replaces the snapshot, so that a refresh that fails or is killed leaves
neither a version without its snapshot nor a gap. Versions of one deal or user never overlap and have a positive length,
also if the clock of the database goes back. A refresh that sees what is known already adds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa
from psycopg import sql
from psycopg.rows import dict_row

from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import DEAL_HISTORY, USER_HISTORY, Table, rows_to_arrow
from copilot_pipeline.load.warehouse.copying import copy_rows
from copilot_pipeline.load.warehouse.statements import table_identifier
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_all, fetch_value
from copilot_pipeline.transform.deal_versions import DealOfCrm, versions_before

ROWS_PER_BATCH = 20_000
_SQL = load_queries(__package__, "history.sql")
_LOCK_TABLE = sql.SQL("LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
_COUNT = sql.SQL("SELECT count(*) FROM {table}")
_PRESENT = sql.SQL("SELECT count(*) FROM {table} WHERE valid_to IS NULL")
_DELETE = sql.SQL("DELETE FROM {table}")
_SELECT = sql.SQL("SELECT * FROM {table} ORDER BY {key}")


@dataclass(frozen=True, slots=True)
class Versions:
    """The table of the versions of a snapshot, and how they are recorded."""

    table: Table
    record: Callable[[Connection], None]

    def restore(self, connection: Connection, lake: Lake) -> None:
        """Copy the versions from the lake if the warehouse has none, as after the loss of the database.

        Locks the table until the transaction ends.
        """
        connection.execute(_LOCK_TABLE.format(table=table_identifier(self.table)))
        if self._count(connection, _COUNT) == 0:
            for rows in lake.batches(self.table):
                copy_rows(connection, self.table, rows)

    def hide(self, connection: Connection, hidden: Callable[[pa.Table], pa.Table]) -> None:
        """Hide private columns in versions that were recorded before the columns became private."""
        versions = list(self.rows(connection))
        private = [hidden(each) for each in versions]
        if any(not one.equals(other) for one, other in zip(private, versions, strict=True)):
            connection.execute(_DELETE.format(table=table_identifier(self.table)))
            for each in private:
                copy_rows(connection, self.table, each)

    def present(self, connection: Connection) -> int:
        """Return the number of present versions."""
        return self._count(connection, _PRESENT)

    def rows(self, connection: Connection) -> Iterator[pa.Table]:
        """Yield all versions in the order of their key."""
        key = sql.SQL(", ").join(map(sql.Identifier, self.table.key))
        with connection.cursor(f"copy_of_{self.table.name}", row_factory=dict_row) as cursor:
            cursor.execute(_SELECT.format(table=table_identifier(self.table), key=key))
            while rows := cursor.fetchmany(ROWS_PER_BATCH):
                yield pa.Table.from_pylist(rows, schema=self.table.arrow_schema)

    def _count(self, connection: Connection, statement: sql.SQL) -> int:
        query = statement.format(table=table_identifier(self.table)).as_string(connection)
        return int(fetch_value(connection, query))


def _record_deals(connection: Connection) -> None:
    connection.execute(_SQL["correct_versions_of_calls"])
    connection.execute(_SQL["close_deal_versions"])
    connection.execute(_SQL["open_deal_versions"])
    deals = fetch_all(connection, DealOfCrm, _SQL["deals_without_earlier_versions"])
    before = [version for deal in deals for version in versions_before(deal)]
    copy_rows(connection, DEAL_HISTORY, rows_to_arrow(DEAL_HISTORY, before))


def _record_users(connection: Connection) -> None:
    connection.execute(_SQL["close_user_versions"])
    connection.execute(_SQL["open_user_versions"])


DEAL_VERSIONS = Versions(DEAL_HISTORY, _record_deals)
USER_VERSIONS = Versions(USER_HISTORY, _record_users)
