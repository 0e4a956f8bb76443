"""What each partition of the tables was made from, stored in the transaction that writes its rows.

Rows that something else than a load changes or deletes lose their version by a trigger of their table, so that they
are rebuilt (migration `table_versions`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime

from psycopg import sql
from psycopg.types.json import Jsonb

from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_one, fetch_value, fetch_values

_FINGERPRINT = sql.SQL(
    "SELECT count(*), bit_xor(hashtidextended(ctid, tableoid::bigint << 32 | xmin::text::bigint)) FROM {table} {where}"
)
NO_DAY = date.min  # the key of an unpartitioned table

_SQL = load_queries(f"{__package__}.sql", "table_versions.sql")


@dataclass(frozen=True, slots=True)
class TableVersion:
    """What a partition was made from, its files in the lake as they were written, and what was reported of it."""

    inputs: dict[str, str]
    files: dict[str, str]
    facts: dict[str, int]


@dataclass(frozen=True, slots=True)
class RowContents:
    """What the rows of a partition are, by table: hashes of those of each call, and the checksums that are known."""

    hashes: Mapping[str, Mapping[str, str]]
    checksums: Mapping[str, Sequence[int]]


@dataclass(frozen=True, slots=True)
class StoredContents:
    """What the rows and files of a partition are, as they were recorded at a time; see `RowContents`.

    A process of a release that records no checksums leaves them None, or outdated: they are compared with the rows.
    """

    contents: dict[str, dict[str, str]]
    checksums: dict[str, list[int]] | None
    files: dict[str, str]
    built_at: datetime


@dataclass(frozen=True, slots=True)
class SourceVersion:
    """What identifies stored data. The tables made from it must be rebuilt in any case if it `is_stale`."""

    version: str
    is_stale: bool


class TableVersions:
    """The versions of one group of tables, which are loaded together."""

    def __init__(self, database: Database, tables: str) -> None:
        self._database = database
        self._tables = tables

    def find(self, day: date) -> TableVersion | None:
        """Return what a partition was made from; None if it must be rebuilt."""
        with self._database.connection() as connection:
            return fetch_one(connection, TableVersion, _SQL["find"], self._key(day))

    def contents(self, day: date) -> StoredContents | None:
        """Return what the rows of a partition are; None if that is unknown."""
        with self._database.connection() as connection:
            return fetch_one(connection, StoredContents, _SQL["contents"], self._key(day))

    def hold_contents(self, connection: Connection, day: date, stored: StoredContents) -> bool:
        """Return whether the rows of a partition are still these; if so, lock what would have to change them first."""
        values = {**self._key(day), "built_at": stored.built_at}
        return bool(connection.execute(_SQL["hold_contents"], values).fetchone())

    def record(
        self,
        connection: Connection,
        day: date,
        version: TableVersion,
        contents: RowContents | None = None,
    ) -> None:
        """Record what a partition was made from, and what its rows are, in the transaction that writes it."""
        values = {
            "inputs": Jsonb(version.inputs),
            "files": Jsonb(version.files),
            "facts": Jsonb(version.facts),
            "contents": None if contents is None else Jsonb(contents.hashes),
            "checksums": None if contents is None else Jsonb(contents.checksums),
        }
        connection.execute(_SQL["record"], {**self._key(day), **values})

    def forget(self, connection: Connection, day: date) -> None:
        """Forget what a partition was made from, so that it is rebuilt."""
        connection.execute(_SQL["forget"], self._key(day))

    def raw_version(self, day: date) -> SourceVersion | None:
        """Return what identifies the raw file of a day; None if it must be written again or was removed."""
        with self._database.connection() as connection:
            return fetch_one(connection, SourceVersion, _SQL["raw_version"], {"day": day})

    def call_tables_version(self, day: date) -> SourceVersion | None:
        """Return what identifies the call tables of a day; None if they were never loaded."""
        with self._database.connection() as connection:
            return fetch_one(connection, SourceVersion, _SQL["call_tables_version"], {"day": day})

    def runs_version(self, day: date) -> str:
        """Return a hash of the Semarize runs of a day's calls."""
        with self._database.connection() as connection:
            return str(fetch_value(connection, _SQL["runs_version"], {"day": day}))

    def snapshot_time(self, connection: Connection) -> datetime | None:
        """Return when an unpartitioned table was last replaced or confirmed."""
        found: datetime | None = fetch_value(connection, _SQL["snapshot_time"], {"name": self._tables})
        return found

    def confirm_snapshot(self, connection: Connection, loaded_at: datetime) -> datetime | None:
        """Record that an unpartitioned table is as it should be now. Return None if it was replaced since."""
        values = {"name": self._tables, "loaded_at": loaded_at}
        confirmed_at: datetime | None = fetch_value(connection, _SQL["confirm_snapshot"], values)
        return confirmed_at

    def _key(self, day: date) -> Mapping[str, object]:
        return {"tables": self._tables, "day": day}


def confirm_marts(connection: Connection, names: Sequence[str]) -> None:
    """Record that tables of marts are as they would be with the present deals and users."""
    connection.execute(_SQL["confirm_marts"], {"names": list(names)})


class StoredVersions:
    """What identifies the present rows of tables, read once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._unversioned: dict[str, list[date]] = {}
        with database.connection() as connection:
            rows = connection.execute(_SQL["versions_of_tables"]).fetchall()
        self._versions: dict[str, str] = dict(rows)

    def version(self, tables: str) -> str | None:
        """Return what identifies a group of tables; None if none of its partitions has a version."""
        return self._versions.get(tables)

    def unversioned_days(self, tables: str) -> list[date]:
        """Return the days of calls or scores that have rows, but no version."""
        if tables not in self._unversioned:
            with self._database.connection() as connection:
                self._unversioned[tables] = fetch_values(connection, _SQL[f"unversioned_days_of_{tables}"])
        return self._unversioned[tables]

    def fingerprint(self, table: str, days: Sequence[date] | None = None) -> str:
        """Return what identifies the rows of a table, or of some days, by their places and transactions.

        It differs after every change, also after one that wrote the same values again.
        """
        where = sql.SQL("") if days is None else sql.SQL("WHERE call_date = ANY(%(days)s)")
        statement = _FINGERPRINT.format(table=sql.Identifier("copilot", table), where=where)
        with self._database.connection() as connection:
            row = connection.execute(statement, {"days": days}).fetchone()
        return " ".join(map(str, row or ()))

    def upcoming_calls(self) -> int:
        """Return the number of calls that have not started yet: marts leave them out until they have."""
        with self._database.connection() as connection:
            return int(fetch_value(connection, _SQL["upcoming_calls"]))


@contextmanager
def loading(connection: Connection) -> Iterator[None]:
    """Let the triggers of the tables accept what is deleted in the block, as part of a load."""
    connection.execute(_SQL["mark_loading"], {"is_loading": "on"})
    yield
    connection.execute(_SQL["mark_loading"], {"is_loading": "off"})
