"""Replace a whole table in a transaction, writing only the rows that differ.

The new rows are copied into a temporary table and compared with the stored ones. Rows that are equal in every column
stay as they are, so a refresh that changes little writes little, and readers see the old or the new rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pyarrow as pa
from psycopg import sql

from copilot_pipeline.load.tables import Table
from copilot_pipeline.load.tables.limits import TruncatedValue, fit_rows
from copilot_pipeline.load.warehouse.copying import (
    RefusedKeys,
    RefusedRow,
    RowsRefused,
    copy_accepted_rows,
    copy_rows,
    without_refused,
)
from copilot_pipeline.load.warehouse.erased_rows import without_erased
from copilot_pipeline.load.warehouse.loader import MAX_REFUSED_ROWS
from copilot_pipeline.load.warehouse.row_problems import record_refused, record_truncated
from copilot_pipeline.load.warehouse.statements import table_identifier
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.privacy.stored_tombstones import current_tombstones

_LOCK = sql.SQL("LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
# Constraints of columns and the key are those of the table, so that the same rows are refused. With the defaults of
# columns that a newer release has added.
_CREATE = sql.SQL("CREATE TEMPORARY TABLE {name} (LIKE {table} INCLUDING DEFAULTS, PRIMARY KEY ({key})) ON COMMIT DROP")
_ANALYZE = sql.SQL("ANALYZE {new}")
# The comparison joins by hash: with a nested loop, which the planner chooses for a table that was empty, each row would
# be compared with all rows that were inserted before it.
_BEFORE_COMPARISON = "SET LOCAL work_mem = '64MB'; SET LOCAL enable_nestloop = off"
_AFTER_COMPARISON = "SET LOCAL work_mem TO DEFAULT; SET LOCAL enable_nestloop TO DEFAULT"
_DELETE = sql.SQL(
    """DELETE FROM {table} AS stored WHERE NOT EXISTS (
  SELECT FROM {new} AS new
  WHERE ({new_key}) = ({stored_key}) AND ({new_columns}) IS NOT DISTINCT FROM ({stored_columns})
)"""
)
_COUNT = sql.SQL("SELECT count(*) FROM {table}")
_INSERT = sql.SQL(
    """INSERT INTO {table} ({columns}) SELECT {columns} FROM {new} AS new
WHERE NOT EXISTS (SELECT FROM {table} AS stored WHERE ({stored_key}) = ({new_key}))"""
)
_DROP = sql.SQL("DROP TABLE {new}")
_RECORD = """INSERT INTO copilot_ops.snapshots (name, loaded_at, deals_as_of, users_as_of)
SELECT %(name)s, now(), (SELECT loaded_at FROM copilot_ops.snapshots WHERE name = 'deals'),
  (SELECT loaded_at FROM copilot_ops.snapshots WHERE name = 'users')
ON CONFLICT (name) DO UPDATE SET loaded_at = excluded.loaded_at, deals_as_of = excluded.deals_as_of,
  users_as_of = excluded.users_as_of"""


@dataclass(frozen=True, slots=True)
class Replaced:
    """Numbers of rows: `after` in the table, of which `added` were not in it before, and `removed` from it."""

    after: int
    added: int
    removed: int

    @property
    def before(self) -> int:
        """The number of rows that the table had."""
        return self.after - self.added + self.removed


def load_snapshot(
    database: Database,
    table: Table,
    rows: Iterable[pa.Table],
    write: Callable[[pa.Table], None] | None = None,
    before_commit: Callable[[Connection, int, int], None] | None = None,
) -> int:
    """Replace an unpartitioned table in one transaction. Return the rows.

    `write` is that of `replace_rows`. `before_commit` gets the number of rows before and after, and can raise to keep
    the old ones.
    """
    with database.transaction() as connection:
        replaced = replace_rows(connection, table, rows, write)
        if before_commit is not None:
            before_commit(connection, replaced.before, replaced.after)
    return replaced.after


def replace_rows(
    connection: Connection, table: Table, rows: Iterable[pa.Table], write: Callable[[pa.Table], None] | None = None
) -> Replaced:
    """Replace an unpartitioned table within a transaction; a second process that replaces it waits, readers do not.

    With `write`, values that are too long are truncated, rows that PostgreSQL refuses are quarantined, and the others
    are passed to `write`. Without it, a refused row raises `RowsRefused`. `rows` are read when the table is locked.
    What was erased is left out.
    """
    names = _Names(table)
    connection.execute(_LOCK.format(table=names.table))
    connection.execute(names.statement(_CREATE))
    after = _copy_all(connection, table, names.new, rows, write)
    connection.execute(names.statement(_ANALYZE))
    connection.execute(_BEFORE_COMPARISON)
    removed = connection.execute(names.statement(_DELETE)).rowcount
    kept = connection.execute(names.statement(_COUNT)).fetchone()
    # Every row that was kept is one of the new rows. With as many of them, none is missing.
    added = connection.execute(names.statement(_INSERT)).rowcount if kept != (after,) else 0
    connection.execute(_AFTER_COMPARISON)
    connection.execute(names.statement(_DROP))
    connection.execute(_RECORD, {"name": table.name})
    return Replaced(after, added, removed)


def _copy_all(
    connection: Connection,
    table: Table,
    new: sql.Identifier,
    rows: Iterable[pa.Table],
    write: Callable[[pa.Table], None] | None,
) -> int:
    """Copy the rows into the temporary table; return how many were accepted."""
    accepted_rows = 0
    truncated: list[TruncatedValue] = []
    refused: list[RefusedRow] = []
    tombstones = current_tombstones(connection, hold=False)  # an erasure waits for the lock of the table
    for batch in (without_erased(table, one, tombstones) for one in rows):
        if write is None:
            copy_rows(connection, table, batch, new)
            accepted_rows += batch.num_rows
            continue
        fitted, truncated_values = fit_rows(table, batch)
        truncated += truncated_values
        refused_rows = copy_accepted_rows(connection, table, fitted, new)
        refused += refused_rows
        if len(refused) > MAX_REFUSED_ROWS:
            raise RowsRefused(table, refused[-1].reason)
        accepted = without_refused(table, fitted, RefusedKeys(refused_rows))
        write(accepted)
        accepted_rows += accepted.num_rows
    if write is not None:
        record_truncated(connection, [table], None, truncated)
        record_refused(connection, [table], None, refused)
    return accepted_rows


class _Names:
    """The parts of the statements for a table."""

    def __init__(self, table: Table) -> None:
        self.table = table_identifier(table)
        self.new = sql.Identifier("pg_temp", f"new_{table.name}")
        self._parts: dict[str, sql.Composable] = {
            "name": sql.Identifier(f"new_{table.name}"),
            "table": self.table,
            "new": self.new,
            "key": sql.SQL(", ").join(map(sql.Identifier, table.key)),
            "columns": sql.SQL(", ").join(map(sql.Identifier, table.column_names)),
        }
        for alias in ("new", "stored"):
            self._parts[f"{alias}_key"] = sql.SQL(", ").join(sql.Identifier(alias, name) for name in table.key)
            self._parts[f"{alias}_columns"] = sql.SQL(", ").join(
                sql.Identifier(alias, name) for name in table.column_names
            )

    def statement(self, template: sql.SQL) -> sql.Composed:
        """Return the statement for the table."""
        return template.format(**self._parts)
