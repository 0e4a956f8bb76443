"""The search for conditions that go with winning or losing: what is tried, counted and tested. See `win_loss`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from copilot_pipeline.config.marts import WinLossSettings
from copilot_pipeline.marts.win_loss.conditions import Bits, Condition, bits_of, conditions
from copilot_pipeline.marts.win_loss.deal_observations import Observation
from copilot_pipeline.marts.win_loss.fisher import fisher_two_sided

_MOST_EXTENDED = 200  # pairs that are tried with a third condition
_MOST_REFINED = 50  # conjunctions in which other cuts are tried
_CHUNK = 4_096  # conjunctions measured at a time: memory does not grow with the search

Members = tuple[int, ...]  # places of the conditions of a conjunction, ascending


@dataclass(frozen=True, slots=True)
class Measured:
    """A conjunction and its counts."""

    members: Members
    n: int
    won_of_n: int
    support: int
    won: int
    p_value: float
    beats_parts: bool

    @property
    def win_rate(self) -> float:
        """Of the deals for which it holds."""
        return self.won / self.support

    @property
    def base_rate(self) -> float:
        """Of all deals of which it is known."""
        return self.won_of_n / self.n


@dataclass(frozen=True, slots=True)
class Question:
    """Conjunctions that differ in their cuts only: the best of them, with a p-value that pays for the cuts tried."""

    best: Measured
    p_value: float


class Search:
    """Measures conjunctions, each once, and keeps what was tested."""

    def __init__(self, observed: Sequence[Observation], settings: WinLossSettings) -> None:
        self._settings = settings
        self._conditions = conditions(observed, settings.thresholds, settings.min_support)
        self._won = bits_of([observation.is_won for observation in observed])
        shape = (len(self._conditions), len(self._won))
        self._holds = np.array([one.holds for one in self._conditions], dtype=np.uint8).reshape(shape)
        self._known = np.array([one.known for one in self._conditions], dtype=np.uint8).reshape(shape)
        self._cuts = Counter(map(self._form, range(len(self._conditions))))
        self._tested: dict[Members, Measured] = {}

    @property
    def tested(self) -> int:
        """How many conditions and conjunctions were tested."""
        return len(self._tested)

    def run(self) -> None:
        """Tries what is worth trying."""
        singles = self._measure((place,) for place in range(len(self._conditions)))
        if self._settings.max_conditions > 1:
            self._conjunctions(singles)

    def parts(self, one: Measured) -> list[Condition]:
        """The conditions of a conjunction."""
        return [self._conditions[place] for place in one.members]

    def questions(self, size: int) -> list[Question]:
        """What was tested of a size, by brick and form, with the best cuts."""
        tested: defaultdict[object, list[Measured]] = defaultdict(list)
        for one in self._tested.values():
            if len(one.members) == size:
                tested[tuple(map(self._form, one.members))].append(one)
        found = []
        for alike in tested.values():
            best = min(alike, key=lambda one: (not one.beats_parts, one.p_value, one.members))
            # One cut is moved at a time.
            tried = 1 + sum(self._cuts[self._form(member)] - 1 for member in best.members)
            found.append(Question(best, min(1.0, best.p_value * tried) if best.beats_parts else 1.0))
        return found

    def gains(self, found: Sequence[Measured]) -> list[float]:
        """For conjunctions of one size: the corrected p-value of what each adds to the part to which it adds least.

        What a condition adds to the others pays for its cuts and for every condition that was tried in its place.
        """
        places = np.array([one.members for one in found], dtype=np.int64)
        gain_p = np.zeros(len(found))
        if not found or places.shape[1] == 1:
            return gain_p.tolist()
        support = np.array([one.support for one in found], dtype=np.int64)
        won = np.array([one.won for one in found], dtype=np.int64)
        known = _all_of(self._known, places)
        for left_out in range(places.shape[1]):
            part_n, part_won = self._counts(self._part(places, left_out) & known)
            of_part = fisher_two_sided(part_n, part_won, support, won)
            cuts = np.array([self._cuts[self._form(place)] for place in places[:, left_out].tolist()])
            gain_p = np.maximum(gain_p, np.minimum(1.0, of_part * cuts * len(self._cuts)))
        return gain_p.tolist()

    def _part(self, places: NDArray[np.int64], left_out: int) -> Bits:
        return _all_of(self._holds, np.delete(places, left_out, axis=1))

    def _conjunctions(self, singles: Sequence[Measured]) -> None:
        chosen = self._representatives(singles)
        pairs = _strongest(self._measure(combinations(chosen, 2)), _MOST_EXTENDED)
        self._refine(pairs)
        if self._settings.max_conditions > 2:
            triples = self._measure((*pair.members, third) for pair in pairs for third in chosen)
            self._refine(_strongest(triples, _MOST_REFINED))

    def _refine(self, best: Sequence[Measured]) -> None:
        """Other cuts of the best, one at a time: the best cut of a condition alone is seldom the best in company."""
        best = best[:_MOST_REFINED]
        self._measure(members for one in best for members in self._other_cuts(one.members))

    def _representatives(self, singles: Sequence[Measured]) -> list[int]:
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

    def _measure(self, asked: Iterable[Sequence[int]]) -> list[Measured]:
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

    def _measured(self, listed: list[Members]) -> list[Measured]:
        places = np.array(listed)
        size = places.shape[1]
        known, holds = _all_of(self._known, places), _all_of(self._holds, places)
        n, won_of_n = self._counts(known)
        support, won = self._counts(holds)
        enough = (
            (support >= self._settings.min_support)
            & (n >= self._settings.min_deals)
            & (support < n)
            & (won_of_n > 0)
            & (won_of_n < n)
        )
        p_value = np.ones(len(listed))
        p_value[enough] = fisher_two_sided(n[enough], won_of_n[enough], support[enough], won[enough])
        # Against each part, among the deals for which the part holds and everything is known.
        beats = np.ones(len(listed), dtype=np.bool_)
        for left_out in range(size) if size > 1 else ():
            part_n, part_won = self._counts(self._part(places, left_out) & known)
            wins = won * n > won_of_n * support
            more = won * part_n > part_won * support
            beats &= np.where(wins, more, won * part_n < part_won * support)
        return [
            Measured(
                listed[place],
                n=int(n[place]),
                won_of_n=int(won_of_n[place]),
                support=int(support[place]),
                won=int(won[place]),
                p_value=float(p_value[place]),
                beats_parts=bool(beats[place]),
            )
            for place in np.flatnonzero(enough).tolist()
        ]

    def _counts(self, deals: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Deals, and won deals, of each row of bits."""
        return (
            np.bitwise_count(deals).sum(axis=1, dtype=np.int64),
            np.bitwise_count(deals & self._won).sum(axis=1, dtype=np.int64),
        )


def _all_of(rows: NDArray[np.uint8], places: NDArray[np.int64]) -> Bits:
    """The conjunction of some rows, for each line of places."""
    together: Bits = rows[places[:, 0]]
    for column in range(1, places.shape[1]):
        together = together & rows[places[:, column]]
    return together


def _strongest(found: Iterable[Measured], most: int) -> list[Measured]:
    """Of those that beat their parts."""
    return sorted((one for one in found if one.beats_parts), key=lambda one: (one.p_value, one.members))[:most]
