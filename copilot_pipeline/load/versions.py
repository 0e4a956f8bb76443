"""Decide whether a partition must be rebuilt, and record what it was made from."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from copilot_pipeline.load.contents import Hashes
from copilot_pipeline.load.inputs import Inputs, lake_inputs, text_version
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.lake.listing import Listing
from copilot_pipeline.load.tables import Table
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.state.table_versions import NO_DAY, RowContents, StoredContents, TableVersion, TableVersions

ROWS_PREFIX = "rows of "
StampOf = Callable[[Table, date], str | None]  # returns what identifies the content of a file of the lake


@dataclass(frozen=True, slots=True)
class InputsOfDay:
    """The inputs of a partition; one that `is_stale` is rebuilt even if they are unchanged."""

    inputs: Inputs
    is_stale: bool = False


@dataclass(frozen=True, slots=True)
class CurrentPartition:
    """A partition that is up to date, with the numbers that were reported when it was built."""

    version: str
    facts: Mapping[str, int]

    def rows(self, tables: Sequence[Table]) -> dict[str, int]:
        """Return the rows by table."""
        return {table.name: self.facts.get(ROWS_PREFIX + table.name, 0) for table in tables}


class PartitionVersions:
    """Compares the inputs of partitions with those that they were made from.

    `inputs_of` returns the inputs of a day, None if they have no version: then the day is rebuilt every time. It reads
    stamps with the function that it receives. Call `current` before the rows are read and under the lock of the
    partition, so that an input that changes meanwhile has another version afterwards.

    In an object store, the stamps of files are first read from lists that are at most a minute old. If they differ from
    the recorded ones, each file is read again, so that what is recorded then is not older than the lock.
    """

    def __init__(
        self,
        lake: Lake,
        store: TableVersions,
        tables: Sequence[Table],
        inputs_of: Callable[[date, StampOf], InputsOfDay | None],
        *,
        optional: Collection[str] = (),
        force: bool = False,
    ) -> None:
        """`optional` inputs count only for days that they were used for."""
        self._lake = lake
        self._store = store
        self._tables = tables
        self._inputs_of = inputs_of
        self._optional = frozenset(optional)
        self.is_forced = force
        self._inputs: dict[date, Inputs] = {}
        self._listing = Listing(lake) if lake.store.is_remote and not force else None

    def current(self, day: date) -> CurrentPartition | None:
        """Return the partition if it is up to date in both stores. No row of it is read."""
        if self._listing is not None and day != NO_DAY:
            current = self._compare(day, self._listing.stamp)
            if current is not None:
                return current
        return self._compare(day, self._stamp)

    def _compare(self, day: date, stamp_of: StampOf) -> CurrentPartition | None:
        self._inputs.pop(day, None)
        found = self._inputs_of(day, stamp_of)
        if found is None:
            return None
        inputs = {**found.inputs, **lake_inputs(self._lake)}
        self._inputs[day] = inputs
        stored = None if self.is_forced or found.is_stale else self._store.find(day)
        if stored is None:
            return None
        compared = {
            name: value for name, value in inputs.items() if name in stored.inputs or name not in self._optional
        }
        if stored.inputs != compared or stored.files != self._files(day, stamp_of):
            return None
        return CurrentPartition(version_of(stored.inputs), stored.facts)

    def leave_out(self, day: date, name: str) -> None:
        """Note that an optional input was not used for a day: its rows are the same whatever it is."""
        if day in self._inputs:
            self._inputs[day] = {each: value for each, value in self._inputs[day].items() if each != name}

    def contents(self, day: date) -> StoredContents | None:
        """Return what the rows of a day are, as they were recorded; None if that is unknown."""
        return self._store.contents(day)

    def hold_contents(self, connection: Connection, day: date, stored: StoredContents) -> bool:
        """Return whether the rows of a day are still these, in the transaction that leaves them as they are."""
        return self._store.hold_contents(connection, day, stored)

    def present_files(self, day: date, stored: StoredContents) -> dict[str, Hashes]:
        """Return the hashes of the rows of each file of a day that is as it was written; none with `force`."""
        if self.is_forced:
            return {}
        files = self._files(day)
        return {name: hashes for name, hashes in stored.contents.items() if files[name] == stored.files.get(name)}

    def record(
        self, connection: Connection, day: date, facts: Mapping[str, int] | None, contents: RowContents | None = None
    ) -> str | None:
        """Record what the partition is made from, in the transaction that writes it, after its files are written.

        Return its version. Without `facts` the partition is incomplete and rebuilt the next time. Without `contents`
        all of its rows are written then.
        """
        inputs = self._inputs.get(day)
        if inputs is None or facts is None:
            self._store.forget(connection, day)
            return None
        version = TableVersion(dict(inputs), self._files(day), dict(facts))
        self._store.record(connection, day, version, contents)
        return version_of(inputs)

    def _files(self, day: date, stamp_of: StampOf | None = None) -> dict[str, str]:
        stamp_of = stamp_of or self._stamp
        return {table.name: stamp_of(table, day) or "" for table in self._tables}

    def _stamp(self, table: Table, day: date) -> str | None:
        return self._lake.stamp(table, None if day == NO_DAY else day)


def rows_as_facts(rows: Mapping[str, int]) -> dict[str, int]:
    """Return the numbers of rows, given by table, as they are recorded with a partition."""
    return {ROWS_PREFIX + name: count for name, count in rows.items()}


def version_of(inputs: Inputs) -> str:
    """Return the version of a partition: a hash of its inputs."""
    return text_version(json.dumps(dict(inputs), sort_keys=True))
