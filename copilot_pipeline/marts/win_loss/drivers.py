"""Drivers: conditions on the scores, alone or up to three together, associated with won or with lost deals.

The search goes level by level, like the search for association rules (Agrawal and Srikant, 1994): single conditions;
pairs of the best cut-points; the most significant pairs with a third condition; then other cut-points in the best of
these. Its p-values (Fisher's exact test, two-sided) are adjusted for what was tried:

* Conditions that differ only in the cut-point form a family. Its p-value is that of the best cut-point times the number
  of cut-points searched (Bonferroni).
* The families of one size are corrected together (Benjamini and Hochberg, 1995), so that the many relatives of a
  strong conjunction do not lower the q-values of single conditions. The q-values of each size are then multiplied by
  the number of sizes, so that the false discovery rate holds for all of them together.
* A conjunction must be significant twice: against all deals, and as a refinement of each of its parts. The p-value of
  a refinement is adjusted for the cut-points of the added condition and for all conditions tried in its place, and the
  largest counts. Otherwise `champion and weather` would pass as a driver whenever `champion` is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from scipy.stats import false_discovery_control

from copilot_pipeline.config.marts import WinLossSettings
from copilot_pipeline.marts.intervals import share_of
from copilot_pipeline.marts.model import Deal, ScoredCall
from copilot_pipeline.marts.win_loss.deal_observations import deal_observations
from copilot_pipeline.marts.win_loss.search import ConditionCounts, Search

WINS, LOSSES = "wins", "losses"

_MAX_LISTED = 100  # of each size


class DriverRow(NamedTuple):
    """A row of `win_loss_drivers`."""

    condition: str
    size: int
    bricks: list[str]
    n: int
    support: int
    won: int
    win_rate: float
    win_rate_low: float
    win_rate_high: float
    base_rate: float
    rest_rate: float
    lift: float
    p_value: float
    q_value: float
    is_significant: bool
    direction: str
    sentence: str


class ConclusionRow(NamedTuple):
    """A row of `win_loss_conclusion`."""

    scope: str
    deals: int
    won: int
    tested: int
    significant: int
    conclusion: str


@dataclass(frozen=True, slots=True)
class WinLoss:
    """The drivers, best first, and the numbers behind them."""

    drivers: list[DriverRow]
    deals: int  # closed, with scored calls
    won: int
    tested: int  # conditions and conjunctions
    conclusion: str

    @property
    def significant(self) -> int:
        """Number of significant drivers."""
        return sum(driver.is_significant for driver in self.drivers)


def win_loss_drivers(calls: Iterable[ScoredCall], deals: Iterable[Deal], settings: WinLossSettings) -> WinLoss:
    """Return the drivers among all closed deals that have scored calls."""
    observed = deal_observations(calls, deals, settings)
    won = sum(observation.is_won for observation in observed)
    insufficient = _insufficient(len(observed), won, settings.min_deals)
    if insufficient:
        return WinLoss([], len(observed), won, 0, insufficient)
    search = Search(observed, settings)
    search.run()
    drivers = _drivers(search, settings)
    return WinLoss(drivers, len(observed), won, search.tested, _conclusion(drivers, search.tested, len(observed), won))


def _insufficient(deals: int, won: int, min_deals: int) -> str | None:
    """Return why no conclusion is possible, or None."""
    if deals < min_deals:
        return (
            f"Too few deals for a conclusion: {deals} closed with scored calls, {min_deals} needed "
            "(marts.win_loss.min_deals)."
        )
    if won in (0, deals):
        return f"All {deals} closed deals with scored calls were {'won' if won else 'lost'}: nothing to compare."
    return None


def _conclusion(drivers: Sequence[DriverRow], tested: int, deals: int, won: int) -> str:
    significant = [driver for driver in drivers if driver.is_significant]
    scope = f"{tested:,} condition{'s' if tested != 1 else ''} tested on {deals:,} closed deals ({won:,} won)"
    if not significant:
        return f"No significant driver among {scope}."
    strongest = next((driver for driver in significant if driver.direction == WINS), significant[0])
    return f"{strongest.sentence}. Among {scope}, {len(significant):,} of those listed are significant."


def _drivers(search: Search, settings: WinLossSettings) -> list[DriverRow]:
    rows = []
    rate = settings.false_discovery_rate
    for size in range(1, settings.max_conditions + 1):
        families = search.families(size)
        corrected = _benjamini_hochberg([family.p_value for family in families])
        q_values = [min(1.0, settings.max_conditions * q_value) for q_value in corrected]
        significant = [one.best for one, q_value in zip(families, q_values, strict=True) if q_value <= rate]
        refinements = dict(zip(significant, search.refinement_p_values(significant), strict=True))
        rows += sorted(
            (
                _driver(search, family.best, q_value, refinements.get(family.best), rate)
                for family, q_value in zip(families, q_values, strict=True)
                if family.best.exceeds_parts
            ),
            key=_order,
        )[:_MAX_LISTED]
    return sorted(rows, key=_order)


def _driver(
    search: Search, counts: ConditionCounts, q_value: float, refinement_p_value: float | None, rate: float
) -> DriverRow:
    """Return a row. `refinement_p_value` is None if the q-value is above the rate already."""
    parts = search.conditions_of(counts)
    condition = " and ".join(part.text for part in parts)
    interval = share_of(counts.won, counts.support)
    lift = counts.win_rate / counts.base_rate
    reservation = ", not significant"
    if refinement_p_value is not None:
        reservation = "" if refinement_p_value <= rate else ", not significantly better than its parts"
    return DriverRow(
        condition=condition,
        size=len(parts),
        bricks=[".".join(part.brick) for part in parts],
        n=counts.n,
        support=counts.support,
        won=counts.won,
        win_rate=counts.win_rate,
        win_rate_low=interval.low or 0.0,
        win_rate_high=interval.high or 0.0,
        base_rate=counts.base_rate,
        rest_rate=(counts.won_of_n - counts.won) / (counts.n - counts.support),
        lift=lift,
        p_value=counts.p_value,
        q_value=q_value,
        is_significant=not reservation,
        direction=WINS if counts.win_rate > counts.base_rate else LOSSES,
        sentence=f"{condition}: {lift:.1f} times the base rate, {counts.won:,} of {counts.support:,} won{reservation}",
    )


def _benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    return [float(value) for value in false_discovery_control(p_values)] if p_values else []


def _order(driver: DriverRow) -> tuple[bool, float, float, str]:
    """Sort significant drivers first, then by the effect at the conservative end of the interval."""
    if driver.direction == WINS:
        effect = driver.win_rate_low / driver.base_rate
    else:
        effect = (1 - driver.win_rate_high) / (1 - driver.base_rate)
    return not driver.is_significant, -effect, driver.p_value, driver.condition
