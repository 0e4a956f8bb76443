"""Whether the rows of an unpartitioned table are those that are stored already."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from copilot_pipeline.load.inputs import SNAPSHOT_CODE, code_version, lake_inputs
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import Table
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.state.table_versions import NO_DAY, TableVersion, TableVersions

_LOADED_AT = "loaded_at"


class SnapshotContent:
    """The rows that a table should have, compared by a hash with those that it was last replaced with.

    The tables are the table itself and, if there is one, its history, which is written with it.
    """

    def __init__(self, lake: Lake, database: Database, tables: Sequence[Table], rows: Sequence[object]) -> None:
        self._lake = lake
        self._database = database
        self._tables = tables
        self._store = TableVersions(database, tables[0].name)
        self._inputs = {"rows": _hash(tables[0], rows), "code": code_version(SNAPSHOT_CODE), **lake_inputs(lake)}

    def confirm(self) -> bool:
        """Return whether both stores have exactly these rows. If so, the time of the snapshot is now."""
        stored = self._store.find(NO_DAY)
        if stored is None or stored.inputs != self._inputs:
            return False
        with self._database.transaction() as connection:
            loaded_at = self._store.snapshot_time(connection)
            if loaded_at is None or stored.files != self._files(loaded_at):
                return False
            # None if another process has replaced the table in the meantime; otherwise the row is locked until the end.
            confirmed_at = self._store.confirm_snapshot(connection, loaded_at)
            if confirmed_at is None:
                return False
            with suppress(FileNotFoundError):
                self._lake.touch(self._tables[0])
            self._store.record(connection, NO_DAY, TableVersion(self._inputs, self._files(confirmed_at), {}))
        return True

    def loaded_at(self, connection: Connection) -> datetime | None:
        """Return the time of the snapshot, in the transaction that replaces it."""
        return self._store.snapshot_time(connection)

    def record(self, loaded_at: datetime | None) -> None:
        """Record that these rows are stored, after both stores have them, unless another process replaced them since.

        `loaded_at` is the time of the snapshot in the transaction that wrote them.
        """
        with self._database.transaction() as connection:
            confirmed_at = self._store.confirm_snapshot(connection, loaded_at) if loaded_at is not None else None
            if confirmed_at is not None:
                self._store.record(connection, NO_DAY, TableVersion(self._inputs, self._files(confirmed_at), {}))

    def _files(self, loaded_at: datetime) -> dict[str, str]:
        stamps = {table.name: self._lake.stamp(table) or "" for table in self._tables}
        return {**stamps, _LOADED_AT: loaded_at.isoformat()}


def _hash(table: Table, rows: Sequence[object]) -> str:
    """Return a hash of the rows, whatever their order."""
    content = hashlib.sha256(repr(table.column_names).encode())
    for values in sorted(repr([getattr(row, name) for name in table.column_names]) for row in rows):
        content.update(values.encode("utf-8", "surrogatepass"))
    return content.hexdigest()[:32]
