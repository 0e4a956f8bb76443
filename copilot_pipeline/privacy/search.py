"""Search all places for a person or a call: what `find` lists, `export` writes and `erase` removes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path

from copilot_pipeline.load.lake import Lake
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_all, fetch_value, fetch_values
from copilot_pipeline.privacy.file_places import FileHit, FilePlace, LakeFiles, LocalFiles
from copilot_pipeline.privacy.identity import Identity
from copilot_pipeline.privacy.lake_places import LakeHit
from copilot_pipeline.privacy.matching import Matcher
from copilot_pipeline.privacy.object_versions import ObjectVersions, VersionHit
from copilot_pipeline.privacy.places import LAKE_TABLES, STATE_SCHEMA, TABLES
from copilot_pipeline.privacy.subjects import Subject
from copilot_pipeline.privacy.table_places import TableHit

_SQL = load_queries(__package__, "search.sql")
_POSTGRES = "postgres"  # the folder of the embedded server in the home
Hit = TableHit | LakeHit | FileHit


@dataclass(slots=True)
class PlaceCount:
    """How many rows or files of a place have the person or a call, and what they have, by kind."""

    name: str
    rows: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    kept: int = 0  # configuration, which is only named

    def add(self, hit: Hit) -> None:
        """Count a row or a file."""
        self.rows += 1
        self.kinds.update(hit.kinds)
        self.kept += isinstance(hit, FileHit) and hit.is_kept
        if not isinstance(hit, FileHit) and hit.is_of_call:
            self.kinds["call"] += 1


@dataclass(frozen=True, slots=True)
class Sent:
    """A delivery that left."""

    id: int
    sink: str
    route: str
    target: str
    call_id: str
    state: str
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class Scored:
    """A transcript that was sent to the scorer."""

    call_id: str
    kit: str
    run_id: str
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class Findings:
    """Where a person or a call is, and where it was sent."""

    places: Sequence[PlaceCount]
    sent: Sequence[Sent]
    scored: Sequence[Scored]
    calls: frozenset[str]  # that the person took part in
    versions: Sequence[VersionHit] = ()  # former versions of objects
    notes: Sequence[str] = ()  # what could not be searched

    @property
    def rows(self) -> int:
        """The number of rows and files."""
        return sum(place.rows for place in self.places)

    @property
    def changeable(self) -> int:
        """The number of rows and files that erasing changes."""
        return sum(place.rows - place.kept for place in self.places)


@dataclass(frozen=True, slots=True)
class Stores:
    """Everything that is searched: the database, the lake, the home, and files that commands wrote elsewhere."""

    database: Database
    lake: Lake
    home: Path
    removes_versions: bool = False  # whether erasing removes former versions of objects

    @property
    def object_versions(self) -> ObjectVersions:
        """The former versions of objects."""
        return ObjectVersions(self.lake, LAKE_TABLES, self.removes_versions)

    def files(self) -> list[FilePlace]:
        """The places that are files."""
        folders = [self.home]
        if dagster_home := os.environ.get("DAGSTER_HOME"):
            folders.append(Path(dagster_home).absolute())
        without = [self.home / _POSTGRES]
        if "://" not in self.lake.url:
            without.append(Path(self.lake.url).absolute())
        with self.database.connection() as connection:
            written = [Path(path) for path in fetch_values(connection, _SQL["written_files"])]
        tables = frozenset(place.table.name for place in LAKE_TABLES)
        return [
            LakeFiles(self.lake, tables),
            LocalFiles("home", folders, without),
            LocalFiles("files of commands", [path for path in written if path.is_file()], folders),
            self.object_versions,  # the last: erasing in the others makes some
        ]


class Search:
    """Searches all places for one subject."""

    def __init__(self, stores: Stores, subject: Subject, *, on_place: Callable[[str], None] = lambda _: None) -> None:
        self.stores = stores
        self.subject = subject
        self._on_place = on_place
        self._notes: list[str] = []
        self.identity = self._with_calls()

    def _with_calls(self) -> Identity:
        calls = {"call_ids": sorted(self.subject.calls)}
        with self.stores.database.connection() as connection:
            runs = frozenset(fetch_values(connection, _SQL["runs_of_calls"], calls))
            said = frozenset(fetch_values(connection, _SQL["sentences_of_calls"], calls))
        known = self.subject.identity
        return replace(known, calls=self.subject.calls, runs=known.runs | runs, sentences=known.sentences | said)

    def hits(self) -> Iterator[tuple[str, Hit]]:
        """Yield every row and file of every place, with the name of the place."""
        matcher = Matcher(replace(self.identity, sentences=frozenset()))
        with self.stores.database.connection() as connection:
            for place in TABLES:
                self._on_place(place.name)
                for hit in place.search(connection, matcher):
                    yield place.name, hit
        for lake_place in LAKE_TABLES:
            self._on_place(lake_place.name)
            for day in lake_place.days(self.stores.lake):
                for row in lake_place.search(self.stores.lake, day, matcher):
                    yield lake_place.name, row
        of_files = Matcher(self.identity)
        for files in self.stores.files():
            self._on_place(files.name)
            for file in files.search(of_files):
                yield files.name, file
            if files.note:
                self._notes.append(files.note)

    def find(self) -> Findings:
        """Count what every place has, and read what was sent."""
        places: dict[str, PlaceCount] = {}
        ids: list[int] = []
        versions: list[VersionHit] = []
        self._notes.clear()
        for name, hit in self.hits():
            places.setdefault(name, PlaceCount(name)).add(hit)
            if name == f"{STATE_SCHEMA}.outbox" and isinstance(hit, TableHit):
                ids.append(self._delivery_id(hit))
            if isinstance(hit, VersionHit):
                versions.append(hit)
        values = {"call_ids": sorted(self.identity.calls), "ids": ids}
        with self.stores.database.connection() as connection:
            sent = fetch_all(connection, Sent, _SQL["delivered"], values)
            scored = fetch_all(connection, Scored, _SQL["scored"], values)
        return Findings(list(places.values()), sent, scored, self.subject.calls, versions, tuple(self._notes))

    def days(self) -> list[date]:
        """Return the days of the calls."""
        with self.stores.database.connection() as connection:
            return fetch_values(connection, _SQL["days_of_calls"], {"call_ids": sorted(self.identity.calls)})

    def _delivery_id(self, hit: TableHit) -> int:
        with self.stores.database.connection() as connection:
            return int(fetch_value(connection, _SQL["delivery_at"], {"row": hit.row}) or 0)
