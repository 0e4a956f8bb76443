"""Describe changes of kits that the scores of some days show."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import pairwise

from psycopg.rows import class_row

from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries

_SQL = load_queries(__package__, "kit_changes.sql")


@dataclass(frozen=True, slots=True)
class _Brick:
    """A brick of a kit version."""

    kit: str
    version: str
    brick: str
    calls: int  # results that contain the brick
    value_kinds: list[str]


@dataclass(frozen=True, slots=True)
class _Version:
    """A version of a kit, as its results show it."""

    kit: str
    version: str
    calls: int
    first_finished_at: datetime | None
    bricks: dict[str, _Brick] = field(default_factory=dict)

    @property
    def value_kinds(self) -> dict[str, frozenset[str]]:
        """Value kinds by brick."""
        return {name: frozenset(brick.value_kinds) for name, brick in self.bricks.items()}


def kit_changes(database: Database, since: date) -> list[str]:
    """Return one sentence per new version, changed set of bricks or value kind."""
    changes = []
    for kit, versions in _versions(database, since).items():
        for older, newer in pairwise(versions.values()):
            since_when = (
                f", since {newer.first_finished_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
                if newer.first_finished_at
                else ""
            )
            changes.append(f"{kit}: version {newer.version} is in use{since_when}, in addition to {older.version}")
            changes += _differences(kit, older.value_kinds, newer.value_kinds)
        for version in versions.values():
            changes += _inconsistencies(version)
    return changes


def _versions(database: Database, since: date) -> dict[str, dict[str, _Version]]:
    """Return the versions by kit and name, in the order of their first results."""
    versions: defaultdict[str, dict[str, _Version]] = defaultdict(dict)
    with database.connection() as connection:
        with connection.cursor(row_factory=class_row(_Version)) as cursor:
            for version in cursor.execute(_SQL["versions"], {"since": since}):
                versions[version.kit][version.version] = version
        with connection.cursor(row_factory=class_row(_Brick)) as cursor:
            for brick in cursor.execute(_SQL["bricks"], {"since": since}):
                versions[brick.kit][brick.version].bricks[brick.brick] = brick
    return versions


def _differences(kit: str, older: Mapping[str, frozenset[str]], newer: Mapping[str, frozenset[str]]) -> list[str]:
    changes = [f"{kit}.{brick}: added" for brick in sorted(newer.keys() - older.keys())]
    changes += [f"{kit}.{brick}: removed" for brick in sorted(older.keys() - newer.keys())]
    for brick in sorted(older.keys() & newer.keys()):
        before, after = older[brick], newer[brick]
        if before and after and before != after:
            changes.append(f"{kit}.{brick}: was {' or '.join(sorted(before))}, is {' or '.join(sorted(after))}")
    return changes


def _inconsistencies(version: _Version) -> list[str]:
    """Return bricks of a version that differ between calls."""
    differing = [
        f"{version.kit}.{name}: several value kinds within one version: {', '.join(sorted(brick.value_kinds))}"
        for name, brick in version.bricks.items()
        if len(brick.value_kinds) > 1
    ]
    differing += [
        f"{version.kit}.{name}: in {brick.calls:,} of {version.calls:,} results of version {version.version}"
        for name, brick in version.bricks.items()
        if brick.calls < version.calls
    ]
    return differing
