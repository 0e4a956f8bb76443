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

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from copilot_pipeline.analysis.conditions import Bits, bits_of, conditions
from copilot_pipeline.analysis.exact import fisher_two_sided
from copilot_pipeline.analysis.intervals import share_of
from copilot_pipeline.analysis.model import Conversation, Deal
from copilot_pipeline.analysis.observations import Observation, observations
from copilot_pipeline.settings.answers import WinLossSettings

WINS, LOSSES = "wins", "losses"

_MOST_LISTED = 100  # of each size
_MOST_EXTENDED = 200  # pairs that are tried with a third condition
_MOST_REFINED = 50  # conjunctions in which other cuts are tried
_CHUNK = 4_096  # conjunctions measured at a time: memory does not grow with the search

Members = tuple[int, ...]  # places of the conditions of a conjunction, ascending


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


@dataclass(frozen=True, slots=True)
class _Measured:
    """A conjunction and its counts."""

    members: Members
    n: int
    won_of_n: int
    support: int
    won: int
    p_value: float
    beats_parts: bool
    gain_p: float  # corrected, of what it adds to the part to which it adds least; 0 for a condition alone

    @property
    def win_rate(self) -> float:
        return self.won / self.support

    @property
    def base_rate(self) -> float:
        return self.won_of_n / self.n

    @property
    def direction(self) -> str:
        return WINS if self.win_rate > self.base_rate else LOSSES


@dataclass(frozen=True, slots=True)
class _Question:
    """Conjunctions that differ in their cuts only: the best of them, with a p-value that pays for the cuts tried."""

    best: _Measured
    p_value: float


def win_loss_drivers(
    conversations: Iterable[Conversation], deals: Iterable[Deal], settings: WinLossSettings
) -> WinLoss:
    """The drivers among all closed deals that have scored calls."""
    observed = observations(conversations, deals, settings)
    won = sum(observation.is_won for observation in observed)
    too_little = _too_little(len(observed), won, settings.fewest_deals)
    if too_little:
        return WinLoss([], len(observed), won, 0, too_little)
    search = _Search(observed, settings)
    drivers = search.drivers()
    return WinLoss(drivers, len(observed), won, search.tested, _conclusion(drivers, search.tested, len(observed), won))


def _too_little(deals: int, won: int, fewest: int) -> str | None:
    """Why there is nothing to conclude from."""
    if deals < fewest:
        return (
            f"Too few deals for a conclusion: {deals} closed with scored calls, {fewest} needed "
            "(answers.win_loss.fewest_deals)."
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


class _Search:
    """Measures conjunctions, each once, and keeps what was tested."""

    def __init__(self, observed: Sequence[Observation], settings: WinLossSettings) -> None:
        self._settings = settings
        self._conditions = conditions(observed, settings.thresholds, settings.fewest_support)
        self._won = bits_of([observation.is_won for observation in observed])
        shape = (len(self._conditions), len(self._won))
        self._holds = np.array([one.holds for one in self._conditions], dtype=np.uint8).reshape(shape)
        self._known = np.array([one.known for one in self._conditions], dtype=np.uint8).reshape(shape)
        self._cuts = Counter(map(self._form, range(len(self._conditions))))
        self._tested: dict[Members, _Measured] = {}

    @property
    def tested(self) -> int:
        """How many conditions and conjunctions were tested."""
        return len(self._tested)

    def drivers(self) -> list[Driver]:
        """The best of everything, as rows."""
        singles = self._measure((place,) for place in range(len(self._conditions)))
        if self._settings.most_conditions > 1:
            self._conjunctions(singles)
        return self._rows()

    def _conjunctions(self, singles: Sequence[_Measured]) -> None:
        chosen = self._representatives(singles)
        pairs = _strongest(self._measure(combinations(chosen, 2)), _MOST_EXTENDED)
        self._refine(pairs)
        if self._settings.most_conditions > 2:
            triples = self._measure((*pair.members, third) for pair in pairs for third in chosen)
            self._refine(_strongest(triples, _MOST_REFINED))

    def _refine(self, best: Sequence[_Measured]) -> None:
        """Other cuts of the best, one at a time: the best cut of a condition alone is seldom the best in company."""
        best = best[:_MOST_REFINED]
        self._measure(members for one in best for members in self._other_cuts(one.members))

    def _representatives(self, singles: Sequence[_Measured]) -> list[int]:
        """The best cut of each brick and form."""
        best: dict[object, int] = {}
        for single in sorted(singles, key=lambda single: (single.p_value, single.members)):
            best.setdefault(self._form(single.members[0]), single.members[0])
        return sorted(best.values())

    def _form(self, place: int) -> object:
        return self._conditions[place].brick, self._conditions[place].form

    def _other_cuts(self, members: Members) -> Iterator[Members]:
        for position, member in enumerate(members):
            for place in range(len(self._conditions)):
                if place != member and self._form(place) == self._form(member):
                    yield (*members[:position], place, *members[position + 1 :])

    def _measure(self, asked: Iterable[Sequence[int]]) -> list[_Measured]:
        """Counts and p-values of those that were not tested before, have deals enough, and a brick only once."""
        wanted: dict[Members, None] = {}
        for members in asked:
            ordered = tuple(sorted(members))
            bricks = {self._conditions[place].brick for place in ordered}
            if len(bricks) == len(members) and ordered not in self._tested:
                wanted[ordered] = None
        listed = list(wanted)
        found = [
            measured
            for start in range(0, len(listed), _CHUNK)
            for measured in self._measured(listed[start : start + _CHUNK])
        ]
        self._tested.update({measured.members: measured for measured in found})
        return found

    def _measured(self, listed: list[Members]) -> list[_Measured]:
        places = np.array(listed)
        size = places.shape[1]
        known, holds = _all_of(self._known, places), _all_of(self._holds, places)
        n, won_of_n = self._counts(known)
        support, won = self._counts(holds)
        enough = (
            (support >= self._settings.fewest_support)
            & (n >= self._settings.fewest_deals)
            & (support < n)
            & (won_of_n > 0)
            & (won_of_n < n)
        )
        p_value = np.ones(len(listed))
        p_value[enough] = fisher_two_sided(n[enough], won_of_n[enough], support[enough], won[enough])
        # Against each part, among the deals for which the part holds and everything is known.
        beats, gain_p = np.ones(len(listed), dtype=np.bool_), np.zeros(len(listed))
        for left_out in range(size) if size > 1 else ():
            part = _all_of(self._holds, np.delete(places, left_out, axis=1)) & known
            part_n, part_won = self._counts(part)
            wins = won * n > won_of_n * support
            more = won * part_n > part_won * support
            beats &= np.where(wins, more, won * part_n < part_won * support)
            of_part = np.ones(len(listed))
            of_part[enough] = fisher_two_sided(part_n[enough], part_won[enough], support[enough], won[enough])
            cuts = np.array([self._cuts[self._form(place)] for place in places[:, left_out].tolist()])
            gain_p = np.maximum(gain_p, np.minimum(1.0, of_part * cuts * len(self._cuts)))
        return [
            _Measured(
                listed[place],
                n=int(n[place]),
                won_of_n=int(won_of_n[place]),
                support=int(support[place]),
                won=int(won[place]),
                p_value=float(p_value[place]),
                beats_parts=bool(beats[place]),
                gain_p=float(gain_p[place]),
            )
            for place in np.flatnonzero(enough).tolist()
        ]

    def _counts(self, deals: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Deals, and won deals, of each row of bits."""
        return (
            np.bitwise_count(deals).sum(axis=1, dtype=np.int64),
            np.bitwise_count(deals & self._won).sum(axis=1, dtype=np.int64),
        )

    # --- rows ----------------------------------------------------------------------------------------------------

    def _rows(self) -> list[Driver]:
        rows = []
        for size in range(1, self._settings.most_conditions + 1):
            questions = self._questions(size)
            sizes = self._settings.most_conditions
            q_values = [min(1.0, sizes * q_value) for q_value in _corrected([one.p_value for one in questions])]
            rows += sorted(
                (
                    self._driver(question.best, q_value)
                    for question, q_value in zip(questions, q_values, strict=True)
                    if question.best.beats_parts
                ),
                key=_order,
            )[:_MOST_LISTED]
        return sorted(rows, key=_order)

    def _questions(self, size: int) -> list[_Question]:
        """What was tested of a size, by brick and form, with the best cuts."""
        tested: defaultdict[object, list[_Measured]] = defaultdict(list)
        for one in self._tested.values():
            if len(one.members) == size:
                tested[tuple(map(self._form, one.members))].append(one)
        found = []
        for alike in tested.values():
            best = min(alike, key=lambda one: (not one.beats_parts, one.p_value, one.members))
            # One cut is moved at a time.
            tried = 1 + sum(self._cuts[self._form(member)] - 1 for member in best.members)
            found.append(_Question(best, min(1.0, best.p_value * tried) if best.beats_parts else 1.0))
        return found

    def _driver(self, one: _Measured, q_value: float) -> Driver:
        rate = self._settings.false_discovery_rate
        is_beyond_chance, is_gain = q_value <= rate, one.gain_p <= rate
        parts = [self._conditions[place] for place in one.members]
        condition = " and ".join(part.words for part in parts)
        share = share_of(one.won, one.support)
        lift = one.win_rate / one.base_rate
        doubt = "" if is_beyond_chance and is_gain else ", within chance"
        if is_beyond_chance and not is_gain:
            doubt = ", no certain gain over its parts"
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
            is_beyond_chance and is_gain,
            one.direction,
            f"{condition}: {lift:.1f} times the base rate, {one.won:,} of {one.support:,} won{doubt}",
        )


def _all_of(rows: NDArray[np.uint8], places: NDArray[np.int64]) -> Bits:
    """The conjunction of some rows, for each line of places."""
    together: Bits = rows[places[:, 0]]
    for column in range(1, places.shape[1]):
        together = together & rows[places[:, column]]
    return together


def _corrected(p_values: Sequence[float]) -> list[float]:
    return [float(value) for value in false_discovery_control(p_values)] if p_values else []


def _strongest(found: Iterable[_Measured], most: int) -> list[_Measured]:
    """Of those that beat their parts."""
    return sorted((one for one in found if one.beats_parts), key=lambda one: (one.p_value, one.members))[:most]


def _order(driver: Driver) -> tuple[bool, float, float, str]:
    """What is certain first; then by the effect that is left at the careful end of the interval."""
    if driver.direction == WINS:
        effect = driver.win_rate_low / driver.base_rate
    else:
        effect = (1 - driver.win_rate_high) / (1 - driver.base_rate)
    return not driver.is_significant, -effect, driver.p_value, driver.condition
