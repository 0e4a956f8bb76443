"""Kits that changed: what their answers of some days show of it, in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import pairwise

from copilot_pipeline.postgres import Database

_ANSWERS = """
SELECT kit, coalesce(kit_version_id, '?'), brick,
  coalesce(array_agg(DISTINCT value_kind) FILTER (WHERE value_kind <> 'null'), '{}'), count(*)
FROM copilot.semarize_scores WHERE call_date >= %s GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
# In the order in which they began to answer, not in that of the calls: old calls may be scored last.
_VERSIONS = """
SELECT scores.kit, coalesce(scores.kit_version_id, '?'), count(DISTINCT call_id), min(finished_at)
FROM copilot.semarize_scores AS scores LEFT JOIN copilot.semarize_runs USING (call_id, kit)
WHERE scores.call_date >= %s GROUP BY 1, 2 ORDER BY 1, 4, 2
"""


@dataclass(frozen=True, slots=True)
class _Version:
    """A version of a kit, as its answers show it."""

    name: str
    answers: int
    since: datetime | None
    kinds: dict[str, frozenset[str]] = field(default_factory=dict)  # by brick
    counts: dict[str, int] = field(default_factory=dict)  # answers that hold the brick


def kit_changes(database: Database, since: date) -> list[str]:
    """One sentence a change: a new version, a brick more or less, a brick whose answers are of another kind."""
    versions: defaultdict[str, dict[str, _Version]] = defaultdict(dict)
    with database.connection() as connection:
        for kit, name, answers, began in connection.execute(_VERSIONS, (since,)).fetchall():
            versions[kit][name] = _Version(name, answers, began)
        for kit, name, brick, kinds, count in connection.execute(_ANSWERS, (since,)).fetchall():
            versions[kit][name].kinds[brick] = frozenset(kinds)
            versions[kit][name].counts[brick] = count
    found = []
    for kit, known in versions.items():
        for older, newer in pairwise(known.values()):
            when = f", since {newer.since:%Y-%m-%d %H:%M} UTC" if newer.since else ""
            found.append(f"{kit}: version {newer.name} answers too{when}, beside {older.name}")
            found += _differences(kit, older.kinds, newer.kinds)
        for version in known.values():
            found += _within(kit, version)
    return found


def _differences(kit: str, older: Mapping[str, frozenset[str]], newer: Mapping[str, frozenset[str]]) -> list[str]:
    found = [f"{kit}.{brick}: new in it" for brick in sorted(newer.keys() - older.keys())]
    found += [f"{kit}.{brick}: gone from it" for brick in sorted(older.keys() - newer.keys())]
    for brick in sorted(older.keys() & newer.keys()):
        before, after = older[brick], newer[brick]
        if before and after and before != after:
            found.append(f"{kit}.{brick}: was {' or '.join(sorted(before))}, is {' or '.join(sorted(after))}")
    return found


def _within(kit: str, version: _Version) -> list[str]:
    """A version gives every call the same bricks, each of one kind. Where it does not, it changed under its name."""
    found = [
        f"{kit}.{brick}: answers of several kinds within one version: {', '.join(sorted(kinds))}"
        for brick, kinds in version.kinds.items()
        if len(kinds) > 1
    ]
    found += [
        f"{kit}.{brick}: in {count:,} of {version.answers:,} answers of version {version.name}"
        for brick, count in version.counts.items()
        if count < version.answers
    ]
    return found
