"""Drivers: conditions on the scores, alone or up to three together, associated with won or with lost deals.

The older deals suggest drivers, the newer deals confirm them. The search on the older deals goes level by level, like
the search for association rules (Agrawal and Srikant, 1994): single conditions; pairs of the best cut-points; the most
significant pairs with a third condition; then other cut-points in the best of these. Its tests compare deals with the
same exposure and other circumstances (`score_test`), and their p-values are adjusted for what was tried:

* Conditions that differ only in the cut-point form a family. Its p-value is that of the best cut-point times the number
  of cut-points searched (Bonferroni).
* The families of one size are corrected together (Benjamini and Hochberg, 1995), so that the many relatives of a
  strong conjunction do not lower the q-values of single conditions. The q-values of each size are then multiplied by
  the number of sizes, so that the false discovery rate holds for all of them together.
* A conjunction must be significant twice: against all deals, and as a refinement of each of its parts. The p-value of
  a refinement is adjusted for the cut-points of the added condition and for all conditions tried in its place, and the
  largest counts. Otherwise `champion and weather` would pass as a driver whenever `champion` is one.

The most significant conditions are tested again on the newer deals (`confirmation`). What is significant on the older
deals of any round and holds on the newer ones is confirmed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from copilot_pipeline.config.marts import WinLossSettings
from copilot_pipeline.days import day_in_text
from copilot_pipeline.marts.model import Deal, ScoredCall
from copilot_pipeline.marts.win_loss.conditions import Mask, conditions
from copilot_pipeline.marts.win_loss.confounders import adjusted_for, cells, clusters, covariates, stages
from copilot_pipeline.marts.win_loss.deal_observations import Elements, Observation, deal_observations
from copilot_pipeline.marts.win_loss.deals import Deals
from copilot_pipeline.marts.win_loss.driver_rows import WINS, DriverRow, count_all, driver_row
from copilot_pipeline.marts.win_loss.rounds import Round, confirmed_p_values, discovered, listed, rounds, splits_of

_CLEARLY = 10.0  # times the p-value of another cut-point


@dataclass(frozen=True, slots=True)
class WinLoss:
    """The drivers, best first, and the numbers behind them."""

    drivers: list[DriverRow]
    deals: int  # closed, with scored calls
    won: int
    tested: int  # conditions and conjunctions
    conclusion: str
    newer_deals: int = 0
    adjusted_for: Sequence[str] = ()
    first_close: datetime | None = None
    first_newer_close: datetime | None = None
    last_close: datetime | None = None

    @property
    def significant(self) -> int:
        """Number of drivers that are significant on the older deals."""
        return sum(driver.is_significant for driver in self.drivers)

    @property
    def confirmed(self) -> int:
        """Number of drivers that the newer deals confirm."""
        return sum(driver.is_confirmed for driver in self.drivers)


def win_loss_drivers(
    calls: Iterable[ScoredCall], deals: Iterable[Deal], settings: WinLossSettings, elements: Elements | None = None
) -> WinLoss:
    """Return the drivers among all closed deals that have scored calls. `elements` are those of MEDDICC."""
    found = deal_observations(calls, deals, settings, elements)
    observed = sorted(found, key=lambda one: (one.closed_at, one.deal_id))
    won: Mask = np.array([one.is_won for one in observed], dtype=np.bool_)
    splits = splits_of(won, settings.search_shares)
    insufficient = _insufficient(won, splits, settings.min_deals)
    if insufficient:
        return WinLoss([], len(observed), int(won.sum()), 0, insufficient)
    all_deals = Deals.of(
        conditions(observed, settings.thresholds, settings.min_support),
        won,
        covariates(observed, settings.adjust_for),
        clusters(observed),
        None if "stage" in settings.adjust_for else stages(observed),
        cells(observed, settings.adjust_for),
    )
    drivers, tested = _drivers(rounds(all_deals, splits, settings), all_deals, observed, settings)
    return WinLoss(
        drivers=drivers,
        deals=len(observed),
        won=int(won.sum()),
        tested=tested,
        conclusion=_conclusion(drivers, tested, observed, splits[0]),
        newer_deals=len(observed) - splits[0],
        adjusted_for=adjusted_for(observed, settings.adjust_for),
        first_close=observed[0].closed_at,
        first_newer_close=observed[splits[0]].closed_at,
        last_close=observed[-1].closed_at,
    )


def _insufficient(won: Mask, splits: Sequence[int], min_deals: int) -> str | None:
    """Return why no conclusion is possible, or None."""
    deals = len(won)
    if deals < min_deals:
        return (
            f"Too few deals for a conclusion: {deals} closed with scored calls, {min_deals} needed "
            "(marts.win_loss.min_deals)."
        )
    if won.all() or not won.any():
        return f"All {deals} closed deals with scored calls were {'won' if won.any() else 'lost'}: nothing to compare."
    if not splits:
        return f"No conclusion: the older of {deals} closed deals with scored calls were all won, or all lost."
    return None


def _conclusion(drivers: Sequence[DriverRow], tested: int, observed: Sequence[Observation], split: int) -> str:
    confirmed = [driver for driver in drivers if driver.is_confirmed]
    candidates = sum(driver.confirmed_p_value is not None and not driver.is_confirmed for driver in drivers)
    scope = (
        f"{tested:,} condition{'s' if tested != 1 else ''} tested on {len(observed):,} closed deals "
        f"({day_in_text(observed[0].closed_at)} to {day_in_text(observed[-1].closed_at)}); deals since "
        f"{day_in_text(observed[split].closed_at)} confirm what was found before them"
    )
    unconfirmed = f", {candidates:,} candidate{'s' if candidates != 1 else ''} not" if candidates else ""
    if not confirmed:
        held = f"; {candidates:,} candidate{'s' if candidates != 1 else ''} did not hold" if candidates else ""
        return f"No confirmed driver: {scope}{held}."
    count = f"{len(confirmed):,} {'are' if len(confirmed) != 1 else 'is'} confirmed"
    strongest = next((driver for driver in confirmed if driver.direction == WINS), confirmed[0])
    return f"{strongest.sentence}. {scope}: {count}{unconfirmed}."


def _drivers(
    done: Sequence[Round], deals: Deals, observed: Sequence[Observation], settings: WinLossSettings
) -> tuple[list[DriverRow], int]:
    """Return the rows, best first, and the number of tested conditions."""
    entries = listed(done, deals)
    p_values = confirmed_p_values(entries)
    significant = discovered(done)
    best: dict[object, DriverRow] = {}
    counted = count_all([one.found for one in entries], deals)
    for entry, counts in zip(entries, counted, strict=True):
        found = entry.found
        if entry.family in significant:
            found = replace(found, is_significant=True, q_value=significant[entry.family])
        row = driver_row(
            found,
            deals,
            counts,
            entry.round.confirmer.estimate(entry.found.counts.conjunction),
            p_values.get(entry.found.counts.conjunction),
            settings.confirm_level,
            repeats_stage=entry.round.confirmer.repeats_stage(entry.opposite or entry.found.counts.conjunction),
        )._replace(confirmed_since=observed[entry.round.split].closed_at)
        # Of conditions that differ in their cut-points only, the one that is confirmed counts.
        if (other := best.get(entry.family)) is None or _is_preferred(row, other):
            best[entry.family] = row
    rows = [row._replace(rank=rank) for rank, row in enumerate(sorted(best.values(), key=_order), start=1)]
    return rows, max(one.tested for one in done)


def _is_preferred(one: DriverRow, other: DriverRow) -> bool:
    """Prefer what is confirmed or at least tested on newer deals; then a cut-point that fits all deals clearly better.

    Of cut-points that fit about as well, the one with more newer deals counts: its lift is known best.
    """
    for first, second in (
        (one.is_confirmed, other.is_confirmed),
        (one.confirmed_p_value is not None, other.confirmed_p_value is not None),
    ):
        if first is not second:
            return first
    if max(one.raw_p_value, other.raw_p_value) > _CLEARLY * min(one.raw_p_value, other.raw_p_value):
        return one.raw_p_value < other.raw_p_value
    return (-one.confirmed_n, one.p_value) < (-other.confirmed_n, other.p_value)


def _order(driver: DriverRow) -> tuple[bool, float, float, str]:
    """Sort confirmed drivers first, then by the effect at the conservative end of the interval."""
    if driver.direction == WINS:
        effect = driver.win_rate_low / driver.base_rate
    else:
        effect = (1 - driver.win_rate_high) / (1 - driver.base_rate)
    return not driver.is_confirmed, -effect, driver.p_value, driver.condition
