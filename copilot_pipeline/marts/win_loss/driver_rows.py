"""The rows of `win_loss_drivers` and `win_loss_conclusion`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from copilot_pipeline.marts.intervals import share_of
from copilot_pipeline.marts.win_loss.confirmation import Confirmation
from copilot_pipeline.marts.win_loss.deals import Deals, all_of
from copilot_pipeline.marts.win_loss.fisher import fisher_two_sided
from copilot_pipeline.marts.win_loss.found import Found

WINS, LOSSES = "wins", "losses"


class DriverRow(NamedTuple):
    """A row of `win_loss_drivers`."""

    condition: str
    rank: int
    size: int
    bricks: list[str]
    direction: str
    is_confirmed: bool
    confirmed_lift: float | None
    confirmed_lift_low: float | None
    confirmed_lift_high: float | None
    confirmed_n: int
    confirmed_support: int
    confirmed_won: int
    confirmed_expected: float | None
    confirmed_win_rate: float | None
    confirmed_win_rate_low: float | None
    confirmed_win_rate_high: float | None
    confirmed_p_value: float | None
    confirmed_since: datetime | None
    n: int
    support: int
    won: int
    win_rate: float
    win_rate_low: float
    win_rate_high: float
    base_rate: float
    rest_rate: float
    lift: float
    discovered_lift: float
    raw_p_value: float
    p_value: float
    q_value: float
    is_significant: bool
    sentence: str


class ConclusionRow(NamedTuple):
    """A row of `win_loss_conclusion`."""

    scope: str
    deals: int
    won: int
    newer_deals: int
    tested: int
    significant: int
    confirmed: int
    adjusted_for: list[str]
    first_close: datetime | None
    first_newer_close: datetime | None
    last_close: datetime | None
    conclusion: str


class AllDeals(NamedTuple):
    """Counts of a condition among older and newer deals together, and Fisher's exact test without any adjustment."""

    n: int
    won_of_n: int
    support: int
    won: int
    p_value: float


def count_all(found: Sequence[Found], deals: Deals) -> list[AllDeals]:
    """Return the counts of conditions of any size."""
    tables = []
    for one in found:
        indexes = np.array([one.counts.conjunction])
        known, holds = all_of(deals.known, indexes), all_of(deals.holds, indexes)
        tables.append([int(count[0]) for counted in (known, holds) for count in deals.counts(counted)])
    columns = np.array(tables, dtype=np.int64).reshape(-1, 4).T
    n, won_of_n, support, won = columns
    p_values = fisher_two_sided(n, won_of_n, support, won)
    return [AllDeals(*row) for row in zip(*(column.tolist() for column in (*columns, p_values)), strict=True)]


def driver_row(
    found: Found,
    deals: Deals,
    counted: AllDeals,
    confirmation: Confirmation,
    confirmed_p_value: float | None,
    level: float,
    *,
    repeats_stage: bool = False,
) -> DriverRow:
    """Return the row of a condition. `confirmed_p_value` is None if it was not tested on the newer deals.

    What is not significant on the older deals is not confirmed. `repeats_stage` is said in the sentence.
    """
    counts = found.counts
    parts = [deals.conditions[index] for index in counts.conjunction]
    condition = " and ".join(part.text for part in parts)
    is_confirmed = found.is_significant and confirmed_p_value is not None and confirmed_p_value <= level
    return DriverRow(
        condition=condition,
        rank=0,
        size=len(parts),
        bricks=[".".join(part.brick) for part in parts],
        direction=WINS if counts.is_above else LOSSES,
        is_confirmed=is_confirmed,
        **_of_newer_deals(confirmation),
        confirmed_p_value=confirmed_p_value,
        confirmed_since=None,
        **_of_all_deals(counted),
        discovered_lift=(counts.won / counts.support) / (counts.won_of_n / counts.n),
        raw_p_value=counted.p_value,
        p_value=counts.p_value,
        q_value=found.q_value,
        is_significant=found.is_significant,
        sentence=_sentence(condition, confirmation, _state(is_confirmed, confirmed_p_value is not None, repeats_stage)),
    )


def _of_newer_deals(newer: Confirmation) -> dict[str, Any]:
    share = share_of(newer.won, newer.support)
    return {
        "confirmed_lift": newer.lift,
        "confirmed_lift_low": newer.low,
        "confirmed_lift_high": newer.high,
        "confirmed_n": newer.n,
        "confirmed_support": newer.support,
        "confirmed_won": newer.won,
        "confirmed_expected": newer.expected,
        "confirmed_win_rate": share.share,
        "confirmed_win_rate_low": share.low,
        "confirmed_win_rate_high": share.high,
    }


def _of_all_deals(counted: AllDeals) -> dict[str, Any]:
    n, won_of_n, support, won, _ = counted
    interval = share_of(won, support)
    return {
        "n": n,
        "support": support,
        "won": won,
        "win_rate": won / support,
        "win_rate_low": interval.low or 0.0,
        "win_rate_high": interval.high or 0.0,
        "base_rate": won_of_n / n,
        "rest_rate": (won_of_n - won) / (n - support) if n > support else 0.0,
        "lift": (won / support) / (won_of_n / n),
    }


def _state(is_confirmed: bool, is_candidate: bool, repeats_stage: bool) -> str:
    if is_confirmed:
        return ""
    if repeats_stage:
        return ", not confirmed: it repeats the stage of the CRM, and deals of one stage end alike with and without it"
    return ", a candidate that is not confirmed" if is_candidate else ", not confirmed"


def _sentence(condition: str, newer: Confirmation, state: str) -> str:
    if newer.lift is None or newer.low is None or newer.high is None or newer.expected is None:
        seen = f"{newer.won:,} of {newer.support:,} newer deals won"
    else:
        seen = (
            f"{newer.lift:.1f} times the wins expected of comparable deals (95 % interval {newer.low:.1f} to "
            f"{newer.high:.1f}): {newer.won:,} of {newer.support:,} newer deals won, {newer.expected:.1f} expected"
        )
    return f"{condition}: {seen}{state}"
