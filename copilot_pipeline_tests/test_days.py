"""Lists of days."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from copilot_pipeline.days import day_ranges, days_between

DAY = date(2026, 11, 3)


def test_days_between_includes_both_ends() -> None:
    """A range that ends before it begins is empty."""
    assert days_between(DAY, DAY) == (DAY,)
    assert days_between(DAY, date(2026, 11, 5)) == (DAY, date(2026, 11, 4), date(2026, 11, 5))
    assert days_between(DAY, date(2026, 11, 2)) == ()


@pytest.mark.parametrize(
    ("offsets", "ranges"),
    [
        ([], []),
        ([0, 1, 2], [(0, 1, 2)]),
        ([2, 0, 1, 1], [(0, 1, 2)]),
        ([0, 2, 3], [(2, 3), (0,)]),
        ([0, 1, 2, 3], [(1, 2, 3), (0,)]),
    ],
)
def test_groups_consecutive_days(offsets: list[int], ranges: list[tuple[int, ...]]) -> None:
    """Newest range first, each ascending and no longer than the maximum."""

    def days(group: list[int] | tuple[int, ...]) -> list[date]:
        return [DAY + timedelta(days=offset) for offset in group]

    assert day_ranges(days(offsets), 3) == [tuple(days(group)) for group in ranges]
