"""Kits that changed: what their answers of some days show of it, in words."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from itertools import pairwise

from copilot_pipeline.database import Database

_ANSWERS = """
SELECT kit, coalesce(kit_version_id, ''), brick,
  coalesce(array_agg(DISTINCT value_kind) FILTER (WHERE value_kind <> 'null'), '{}'), min(call_date)
FROM copilot.semarize_scores WHERE call_date >= %s GROUP BY 1, 2, 3
"""


def kit_changes(database: Database, since: date) -> list[str]:
    """One sentence a change: a new version, a brick more or less, a brick whose answers are of another kind."""
    with database.connection() as connection:
        rows = connection.execute(_ANSWERS, (since,)).fetchall()
    bricks: defaultdict[str, defaultdict[str, dict[str, frozenset[str]]]] = defaultdict(lambda: defaultdict(dict))
    began: dict[tuple[str, str], date] = {}
    for kit, version, brick, kinds, first_day in rows:
        bricks[kit][version][brick] = frozenset(kinds)
        began[kit, version] = min(first_day, began.get((kit, version), first_day))
    found = []
    for kit, versions in sorted(bricks.items()):
        ordered = sorted(versions, key=lambda version: (began[kit, version], version))
        for older, newer in pairwise(ordered):
            found.append(
                f"{kit}: version {newer or '?'} answers too, from {began[kit, newer]} on, beside {older or '?'}"
            )
            found += _differences(kit, versions[older], versions[newer])
        found += [
            f"{kit}.{brick}: answers of several kinds within one version: {', '.join(sorted(kinds))}"
            for version in ordered
            for brick, kinds in sorted(versions[version].items())
            if len(kinds) > 1
        ]
    return found


def _differences(kit: str, older: dict[str, frozenset[str]], newer: dict[str, frozenset[str]]) -> list[str]:
    found = [f"{kit}.{brick}: new in it" for brick in sorted(newer.keys() - older.keys())]
    found += [f"{kit}.{brick}: gone from it" for brick in sorted(older.keys() - newer.keys())]
    for brick in sorted(older.keys() & newer.keys()):
        before, after = older[brick], newer[brick]
        if before and after and before != after:
            found.append(f"{kit}.{brick}: was {' or '.join(sorted(before))}, is {' or '.join(sorted(after))}")
    return found
