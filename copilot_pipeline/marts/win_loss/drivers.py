"""Win/loss: which conditions on the scores, alone and up to three together, go with won and with lost deals.

Searched level by level, as association rules are: every condition alone; all pairs of the best cuts; the pairs that
beat both their parts with a third; then other cuts in the best of them. What was tried has its price:

* Conditions that differ in the cut only are one question: its p-value is that of the best cut times the cuts tried.
* The questions of a size are corrected together (Benjamini and Hochberg), so that a strong conjunction, which drags a
  thousand of its like along, does not make it easier for a condition alone; and each size pays for the others, so
  that the rate holds for all of them together.
* A conjunction holds up twice: against all deals, and against each of its parts. What a condition adds to the others
  pays for its cuts and for every condition that was tried in its place; the largest of these p-values counts. Else
  `champion and weather` would pass for a driver where `champion` is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from scipy.stats import false_discovery_control

from copilot_pipeline.config.marts import WinLossSettings
from copilot_pipeline.marts.intervals import share_of
from copilot_pipeline.marts.model import Deal, ScoredCall
from copilot_pipeline.marts.win_loss.deal_observations import observations
from copilot_pipeline.marts.win_loss.search import Measured, Search

WINS, LOSSES = "wins", "losses"

_MOST_LISTED = 100  # of each size


class Driver(NamedTuple):
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


@dataclass(frozen=True, slots=True)
class WinLoss:
    """What was found: the drivers, best first, and what they rest on."""

    drivers: list[Driver]
    deals: int  # closed, with scored calls
    won: int
    tested: int  # conditions and conjunctions
    conclusion: str


def win_loss_drivers(conversations: Iterable[ScoredCall], deals: Iterable[Deal], settings: WinLossSettings) -> WinLoss:
    """The drivers among all closed deals that have scored calls."""
    observed = observations(conversations, deals, settings)
    won = sum(observation.is_won for observation in observed)
    too_little = _too_little(len(observed), won, settings.min_deals)
    if too_little:
        return WinLoss([], len(observed), won, 0, too_little)
    search = Search(observed, settings)
    search.run()
    drivers = _drivers(search, settings)
    return WinLoss(drivers, len(observed), won, search.tested, _conclusion(drivers, search.tested, len(observed), won))


def _too_little(deals: int, won: int, fewest: int) -> str | None:
    """Why there is nothing to conclude from."""
    if deals < fewest:
        return (
            f"Too few deals for a conclusion: {deals} closed with scored calls, {fewest} needed "
            "(marts.win_loss.min_deals)."
        )
    if won in (0, deals):
        return f"All {deals} closed deals with scored calls were {'won' if won else 'lost'}: there is no difference."
    return None


def _conclusion(drivers: Sequence[Driver], tested: int, deals: int, won: int) -> str:
    certain = [driver for driver in drivers if driver.is_significant]
    of_what = f"{tested:,} condition{'s' if tested != 1 else ''} tested on {deals:,} closed deals ({won:,} won)"
    if not certain:
        return f"Nothing beyond chance: none of {of_what} holds up."
    strongest = next((driver for driver in certain if driver.direction == WINS), certain[0])
    return f"{strongest.sentence}. Of {of_what}, {len(certain)} of those listed hold up."


def _drivers(search: Search, settings: WinLossSettings) -> list[Driver]:
    """The best of everything, as rows."""
    rows = []
    rate = settings.false_discovery_rate
    for size in range(1, settings.max_conditions + 1):
        questions = search.questions(size)
        corrected = _corrected([question.p_value for question in questions])
        q_values = [min(1.0, settings.max_conditions * q_value) for q_value in corrected]
        certain = [one.best for one, q_value in zip(questions, q_values, strict=True) if q_value <= rate]
        gains = dict(zip(certain, search.gains(certain), strict=True))
        rows += sorted(
            (
                _driver(search, question.best, q_value, gains.get(question.best), rate)
                for question, q_value in zip(questions, q_values, strict=True)
                if question.best.beats_parts
            ),
            key=_order,
        )[:_MOST_LISTED]
    return sorted(rows, key=_order)


def _driver(search: Search, one: Measured, q_value: float, gain_p: float | None, rate: float) -> Driver:
    """A row. `gain_p` is None where it is within chance already."""
    parts = search.parts(one)
    condition = " and ".join(part.words for part in parts)
    share = share_of(one.won, one.support)
    lift = one.win_rate / one.base_rate
    doubt = ", within chance"
    if gain_p is not None:
        doubt = "" if gain_p <= rate else ", no certain gain over its parts"
    return Driver(
        condition,
        len(parts),
        [".".join(part.brick) for part in parts],
        one.n,
        one.support,
        one.won,
        one.win_rate,
        share.low or 0.0,
        share.high or 0.0,
        one.base_rate,
        (one.won_of_n - one.won) / (one.n - one.support),
        lift,
        one.p_value,
        q_value,
        not doubt,
        WINS if one.win_rate > one.base_rate else LOSSES,
        f"{condition}: {lift:.1f} times the base rate, {one.won:,} of {one.support:,} won{doubt}",
    )


def _corrected(p_values: Sequence[float]) -> list[float]:
    return [float(value) for value in false_discovery_control(p_values)] if p_values else []


def _order(driver: Driver) -> tuple[bool, float, float, str]:
    """What is certain first; then by the effect that is left at the careful end of the interval."""
    if driver.direction == WINS:
        effect = driver.win_rate_low / driver.base_rate
    else:
        effect = (1 - driver.win_rate_high) / (1 - driver.base_rate)
    return not driver.is_significant, -effect, driver.p_value, driver.condition
