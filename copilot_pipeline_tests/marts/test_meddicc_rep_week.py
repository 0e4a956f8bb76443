"""The view of each rep's coverage by week agrees with the formulas of statistics libraries."""

from __future__ import annotations

import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg.rows import dict_row
from scipy import stats

from copilot_pipeline.marts.intervals import share_of
from copilot_pipeline.postgres import Database

EXAMPLE = Path(__file__).parents[2] / "examples/queries/postgres/falling_coverage.sql"
MONDAY = date(2026, 3, 2)
Calls = list[tuple[int, tuple[bool, bool]]]  # week, and whether the two elements were covered


def rows(database: Database, calls: Calls, element: str) -> list[dict[str, Any]]:
    """The rows of a rep with these calls, oldest week first."""
    with database.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        cursor.executemany(
            """INSERT INTO copilot.meddicc_coverage
                 (call_id, element, call_date, week, started_at, rep_id, rep_name, kit, brick, is_covered, is_answered)
               VALUES (%s, %s, %s, %s, now(), 'u-1', 'Ana Ruiz', 'kit', 'brick', %s, true)""",
            [
                (f"c-{number}", name, day, day, is_covered)
                for number, (week, covered) in enumerate(calls)
                for day in [MONDAY + timedelta(weeks=week)]
                for name, is_covered in zip(("champion", "metrics"), covered, strict=True)
            ],
        )
        query = "SELECT * FROM copilot.meddicc_rep_week WHERE element = %s ORDER BY week"
        return cursor.execute(query, (element,)).fetchall()


def random_calls(weeks: int) -> Calls:
    """Three calls a week; the first element is covered less and less often."""
    chance = random.Random(4)
    return [
        (week, (chance.random() < 0.95 - 0.07 * week, chance.random() < 0.5)) for week in range(weeks) for _ in range(3)
    ]


@pytest.mark.parametrize("element", ["champion", "metrics", "all"])
def test_slope_and_interval_are_those_of_a_regression_over_calls(database: Database, element: str) -> None:
    """Of the twelve newest weeks only."""
    calls = random_calls(16)
    shares = {
        "champion": [float(first) for _, (first, _) in calls],
        "metrics": [float(second) for _, (_, second) in calls],
        "all": [(first + second) / 2 for _, (first, second) in calls],
    }[element]
    recent = [(week, share) for (week, _), share in zip(calls, shares, strict=True) if week > 3]
    expected = stats.linregress([week for week, _ in recent], [share for _, share in recent])
    half = expected.stderr * stats.t.ppf(0.975, len(recent) - 2)
    newest = rows(database, calls, element)[-1]
    assert newest["is_latest"]
    assert newest["trend_calls"] == 36
    assert newest["slope"] == pytest.approx(expected.slope)
    assert newest["slope_low"] == pytest.approx(expected.slope - half, rel=1e-4, abs=1e-6)
    assert newest["slope_high"] == pytest.approx(expected.slope + half, rel=1e-4, abs=1e-6)
    assert newest["is_falling"] == (expected.slope + half < 0)


def test_a_week_has_its_share_and_interval(database: Database) -> None:
    """Two of three calls covered the element."""
    calls: Calls = [(0, (True, False)), (0, (True, False)), (0, (False, False))]
    (row,) = rows(database, calls, "champion")
    expected = share_of(2, 3)
    assert (row["n"], row["covered"], row["share"]) == (3, 2, expected.share)
    assert row["share_low"] == pytest.approx(expected.low)
    assert row["share_high"] == pytest.approx(expected.high)
    assert (row["slope"], row["is_falling"]) == (None, None)


def test_a_rep_without_variation_has_a_slope_of_0(database: Database) -> None:
    """Every call covers everything: no division by zero, and nothing falls."""
    newest = rows(database, [(week, (True, True)) for week in range(4) for _ in range(2)], "all")[-1]
    assert newest["slope"] == pytest.approx(0)
    assert not newest["is_falling"]


def test_the_example_query_names_the_element_that_falls(database: Database) -> None:
    """The first element falls and the second does not; the query reads the newest week only."""
    calls: Calls = [(week, (number >= week, True)) for week in range(8) for number in range(6)]
    rows(database, calls, "all")
    with database.connection() as connection:
        found = connection.execute(EXAMPLE.read_bytes()).fetchall()
    assert [(row[0], row[1]) for row in found] == [("Ana Ruiz", "champion"), ("Ana Ruiz", "all")]
