"""The figures of the week. The key figures and the sentences of the report both come from here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from statsmodels.stats.multitest import fdrcorrection
from statsmodels.stats.proportion import confint_proportions_2indep, test_proportions_2indep

from copilot_pipeline.report.model import Accuracy, Coverage, Regression, Report, Volume

# The share of fewer calls varies too much by chance.
MIN_CALLS = 10
ERROR_RATE = 0.05  # of all moves that are looked at together


class Covered(NamedTuple):
    """The covered elements of some calls, of all of their elements."""

    covered: int
    n: int


@dataclass(frozen=True, slots=True)
class Move:
    """A change of a share from the week before; `low` to `high` is the interval of the difference, corrected."""

    now: Coverage
    before: Coverage
    low: float
    high: float
    p_value: float  # corrected for the number of moves

    @property
    def is_beyond_chance(self) -> bool:
        """Whether the interval leaves zero and the corrected test agrees."""
        return self.p_value <= ERROR_RATE and not self.low <= 0 <= self.high


def volume_of(report: Report, week: date) -> Volume | None:
    """Return the calls of a week; None if the report does not have it."""
    return next((one for one in report.volume if one.week == week), None)


def volume_before(report: Report) -> Volume | None:
    """Return the calls of the week before, if both weeks are complete: a part of a week is not compared."""
    return volume_of(report, report.week_before) if report.is_comparable else None


def coverage_of(report: Report, week: date) -> Covered | None:
    """Return the covered and all elements of the scored calls of a week; None without scored calls."""
    of_week = [one for one in report.coverage_by_week if one.group == week.isoformat()]
    return Covered(sum(one.covered for one in of_week), sum(one.n for one in of_week)) if of_week else None


def coverage_before(report: Report) -> Covered | None:
    """Return those of the week before, if both weeks are complete."""
    return coverage_of(report, report.week_before) if report.is_comparable else None


def accuracy_of(report: Report, week: date) -> Accuracy | None:
    """Return the checked calls of a week; None if none were checked."""
    return next((one for one in report.accuracy if one.week == week), None)


def accuracy_before(report: Report) -> Accuracy | None:
    """Return those of the week before, if both weeks are complete."""
    return accuracy_of(report, report.week_before) if report.is_comparable else None


def ongoing_regressions(report: Report) -> list[Regression]:
    """Return the regressions that are not over at the end of the week."""
    return [one for one in report.regressions if one.recovered_at is None]


def new_regressions(report: Report) -> list[Regression]:
    """Return those that were detected in the week."""
    return [one for one in ongoing_regressions(report) if one.detected_on >= report.week]


def coverage_moves(report: Report) -> list[Move]:
    """Return the change of each element from the week before, the most significant first.

    Both weeks are complete, with enough calls. Two-sided score test of two independent shares, corrected for the number
    of elements (Benjamini and Hochberg, Journal of the Royal Statistical Society B 57, 1995, 289-300), and Newcombe's
    intervals at Bonferroni's level (Newcombe, Statistics in Medicine 17, 1998, 873-890). A move has to pass both.
    """
    pairs = _pairs(report)
    if not pairs:
        return []
    p_values = [_p_value(now, before) for now, before in pairs]
    corrected = fdrcorrection(p_values, alpha=ERROR_RATE)[1]
    moves = [
        Move(now, before, *_interval(now, before, len(pairs)), p_value=float(p_value))
        for (now, before), p_value in zip(pairs, corrected, strict=True)
    ]
    return sorted(moves, key=lambda move: (move.p_value, -abs(move.now.share - move.before.share), move.now.element))


def _pairs(report: Report) -> Sequence[tuple[Coverage, Coverage]]:
    if not report.is_comparable:
        return []
    before = {one.element: one for one in report.coverage_by_week if one.group == report.week_before.isoformat()}
    now = [one for one in report.coverage_by_week if one.group == report.week.isoformat()]
    return [
        (one, before[one.element])
        for one in now
        if one.element in before and min(one.n, before[one.element].n) >= MIN_CALLS
    ]


def _p_value(now: Coverage, before: Coverage) -> float:
    if now.covered * before.n == before.covered * now.n:
        return 1.0
    test = test_proportions_2indep(now.covered, now.n, before.covered, before.n, method="score", compare="diff")
    return float(test.pvalue)


def _interval(now: Coverage, before: Coverage, moves: int) -> tuple[float, float]:
    low, high = confint_proportions_2indep(
        now.covered, now.n, before.covered, before.n, compare="diff", method="newcomb", alpha=ERROR_RATE / moves
    )
    return float(low), float(high)
