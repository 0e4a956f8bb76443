"""Coverage of many reps: a heat map of reps or teams, and a table of each team."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from copilot_pipeline.report.formatting import in_meddicc_order
from copilot_pipeline.report.model import Coverage

MAX_MAPPED_REPS = 20  # above, the heat map is of teams
WITHOUT_TEAM = "without a manager"


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """A rep or a team, with the coverage of each element that was scored."""

    name: str
    n: int  # scored calls, of the element with most of them
    elements: Mapping[str, Coverage]


@dataclass(frozen=True, slots=True)
class CoverageTable:
    """The reps of a team, the one with the least coverage first."""

    total: CoverageRow
    rows: tuple[CoverageRow, ...]
    elements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CoverageWeeks:
    """The coverage of some weeks."""

    rows: tuple[CoverageRow, ...]
    elements: tuple[str, ...]


def mapped(coverage: Sequence[Coverage]) -> Sequence[Coverage]:
    """Return what the heat map shows: the reps, or the teams if there are many reps."""
    return coverage if len({one.group for one in coverage}) <= MAX_MAPPED_REPS else coverage_by_team(coverage)


def coverage_by_team(coverage: Sequence[Coverage]) -> list[Coverage]:
    """Add up the coverage of the reps of each team; the team with the most calls is first."""
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for one in coverage:
        n, covered = sums.get(key := (one.team or WITHOUT_TEAM, one.element), (0, 0))
        sums[key] = n + one.n, covered + one.covered
    added = [Coverage(team, element, n, covered) for (team, element), (n, covered) in sums.items()]
    calls = {team: max(one.n for one in added if one.group == team) for team in {one.group for one in added}}
    return sorted(added, key=lambda one: (-calls[one.group], one.group, one.element))


def coverage_tables(coverage: Sequence[Coverage]) -> list[CoverageTable]:
    """Return one table per team, in the order of `coverage_by_team`."""
    elements = tuple(in_meddicc_order({one.element for one in coverage}))
    members: dict[str, list[Coverage]] = {}
    for one in coverage:
        members.setdefault(one.team or WITHOUT_TEAM, []).append(one)
    tables = []
    for total in _rows(coverage_by_team(coverage)):
        rows = sorted(_rows(members[total.name]), key=lambda row: (_share(row), row.name))
        tables.append(CoverageTable(total, tuple(rows), elements))
    return tables


def coverage_by_weeks(coverage: Sequence[Coverage]) -> CoverageWeeks:
    """Return the coverage of each week, the newest first."""
    rows = sorted(_rows(coverage), key=lambda row: row.name, reverse=True)
    return CoverageWeeks(tuple(rows), tuple(in_meddicc_order({one.element for one in coverage})))


def _rows(coverage: Sequence[Coverage]) -> list[CoverageRow]:
    groups: dict[str, dict[str, Coverage]] = {}
    for one in coverage:
        groups.setdefault(one.group, {})[one.element] = one
    return [CoverageRow(name, max(one.n for one in of_group.values()), of_group) for name, of_group in groups.items()]


def _share(row: CoverageRow) -> float:
    return sum(one.covered for one in row.elements.values()) / sum(one.n for one in row.elements.values())
