"""Search for conditions that are associated with winning or losing, on the older deals.

The deals of a condition are a row of booleans. Packed into bits (eight deals per byte) the whole analysis takes, in
seconds of CPU on one core: 0.27 instead of 0.31 for 300 deals and 534 conditions, 0.70 instead of 0.79 for 2,000 deals
and 548 conditions, and 40 MB less memory for the latter. That does not justify the second representation.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np

from copilot_pipeline.config.marts import WinLossSettings
from copilot_pipeline.marts.model import BrickKey
from copilot_pipeline.marts.win_loss.conditions import Condition
from copilot_pipeline.marts.win_loss.deals import Conjunction, Deals, Indexes, all_of
from copilot_pipeline.marts.win_loss.fisher import fisher_two_sided
from copilot_pipeline.marts.win_loss.score_test import ScoreTest, fitted_chances

_MAX_EXTENDED_PAIRS = 120
_MAX_CUT_POINT_SEARCHES = 50
# The normal approximation is enough for what is far from significant.
_NORMAL_UP_TO = 3.0
_SPREAD = (0.3, 0.6)  # shares of the deals for which a score is above, or at most, a cut-point
_CELLS = 1_500_000  # conjunction x deal at a time: bounds the memory of the search


Form = tuple[BrickKey, str]


@dataclass(frozen=True, slots=True)
class ConditionCounts:
    """A conjunction of one to three conditions, its counts of deals, and the p-value of the adjusted test."""

    conjunction: Conjunction
    n: int  # deals in which all of its bricks have a known answer
    won_of_n: int
    support: int  # of these, deals for which it holds
    won: int  # of these, won deals
    p_value: float
    is_above: bool  # more of the deals for which it holds were won than expected
    exceeds_parts: bool  # its win rate is farther from the base rate than the win rate of each part


@dataclass(frozen=True, slots=True)
class CutPointFamily:
    """Conjunctions that differ only in their cut-points: the best, with a p-value adjusted for the search."""

    best: ConditionCounts
    p_value: float


class Refinement(NamedTuple):
    """Tests of a conjunction against its parts, one for each condition that is added to the others."""

    corrected: tuple[float, ...]  # for the cut-points of the added condition, and for all conditions tried in its place

    @property
    def largest(self) -> float:
        """The p-value against the best part."""
        return max(self.corrected, default=0.0)


class Search:
    """Tests conjunctions, each once, and keeps the results."""

    def __init__(self, deals: Deals, settings: WinLossSettings) -> None:
        self._settings = settings
        self._deals = deals
        self._conditions = deals.conditions
        share = len(deals.won) / max(1, deals.of_all)
        self._min_support = max(2, math.ceil(settings.min_support * share))
        self._min_deals = max(2, math.ceil(settings.min_deals * share))
        chances = fitted_chances(deals.won, deals.covariates)
        self._test_of = ScoreTest(deals.won, deals.covariates, chances, normal_up_to=_NORMAL_UP_TO)
        self._forms = [(one.brick, one.form) for one in self._conditions]
        self._of_form: defaultdict[Form, list[int]] = defaultdict(list)
        for index, form in enumerate(self._forms):
            self._of_form[form].append(index)
        numbers = {brick: number for number, brick in enumerate(dict.fromkeys(one.brick for one in self._conditions))}
        self._bricks = np.array([numbers[one.brick] for one in self._conditions], dtype=np.int64)
        self._tested: dict[Conjunction, ConditionCounts] = {}

    @property
    def tested(self) -> int:
        """Number of conditions and conjunctions that were tested."""
        return len(self._tested)

    def run(self) -> None:
        """Test single conditions, then pairs, then triples, as many as the settings allow."""
        singles = self._test((index,) for index in range(len(self._conditions)))
        if self._settings.max_conditions < 2:
            return
        candidates = self._spread_cut_points(singles)
        pairs = _most_significant(self._test(combinations(candidates, 2)), _MAX_EXTENDED_PAIRS)
        self._search_cut_points(pairs)
        if self._settings.max_conditions > 2:
            triples = self._test((*pair.conjunction, third) for pair in pairs for third in candidates)
            self._search_cut_points(_most_significant(triples, _MAX_CUT_POINT_SEARCHES))

    def conditions_of(self, counts: ConditionCounts) -> list[Condition]:
        """Return the conditions of a conjunction."""
        return [self._conditions[index] for index in counts.conjunction]

    def families(self, size: int) -> list[CutPointFamily]:
        """Return the best conjunction of each family of a size, with its adjusted p-value.

        The adjustment is Bonferroni's over the cut-points that were searched. The search moves one cut-point at a
        time, so their numbers add up. A conjunction that does not exceed its parts gets 1.
        """
        best: dict[tuple[Form, ...], tuple[tuple[bool, float, Conjunction], ConditionCounts]] = {}
        for conjunction, counts in self._tested.items():
            if len(conjunction) == size:
                key = tuple([self._forms[index] for index in conjunction])
                rank = (not counts.exceeds_parts, counts.p_value, conjunction)
                if key not in best or rank < best[key][0]:
                    best[key] = rank, counts
        families = []
        for _, counts in best.values():
            searched = 1 + sum(len(self._of_form[self._forms[index]]) - 1 for index in counts.conjunction)
            p_value = min(1.0, counts.p_value * searched) if counts.exceeds_parts else 1.0
            families.append(CutPointFamily(counts, p_value))
        return families

    def refinements(self, found: Sequence[ConditionCounts]) -> list[Refinement]:
        """Test conjunctions of one size against their parts.

        Each condition is tested among the deals for which the others hold (Fisher's exact test).
        """
        indexes = np.array([one.conjunction for one in found], dtype=np.int64)
        if not len(found) or indexes.shape[1] == 1:
            return [Refinement(())] * len(found)
        support = np.array([one.support for one in found], dtype=np.int64)
        won = np.array([one.won for one in found], dtype=np.int64)
        known = all_of(self._deals.known, indexes)
        corrected = np.ones(indexes.shape)
        for omitted in range(indexes.shape[1]):
            part_n, part_won = self._deals.counts(self._deals.part(indexes, omitted) & known)
            of_part = fisher_two_sided(part_n, part_won, support, won)
            cut_points = np.array([len(self._of_form[self._forms[index]]) for index in indexes[:, omitted].tolist()])
            corrected[:, omitted] = np.minimum(1.0, of_part * cut_points * len(self._of_form))
        return [Refinement(tuple(map(float, row))) for row in corrected]

    def _search_cut_points(self, best: Sequence[ConditionCounts]) -> None:
        """Move one cut-point at a time: the best of a condition alone is seldom the best within a conjunction."""
        chosen = best[:_MAX_CUT_POINT_SEARCHES]
        self._test(moved for counts in chosen for moved in self._with_other_cut_points(counts.conjunction))

    def _spread_cut_points(self, singles: Sequence[ConditionCounts]) -> list[int]:
        """Return the most significant condition of each brick and form, and the cut-points nearest to some shares.

        The best cut-point of a condition alone may be far from the best one within a conjunction.
        """
        by_form: defaultdict[object, list[ConditionCounts]] = defaultdict(list)
        for single in singles:
            by_form[self._forms[single.conjunction[0]]].append(single)
        chosen = set()
        for of_form in by_form.values():
            chosen.add(min(of_form, key=lambda one: (one.p_value, one.conjunction)))
            for share in _SPREAD:
                chosen.add(min(of_form, key=lambda one: (abs(one.support / one.n - share), one.conjunction)))
        return sorted(one.conjunction[0] for one in chosen)

    def _with_other_cut_points(self, conjunction: Conjunction) -> Iterator[Conjunction]:
        for position, index in enumerate(conjunction):
            for other in self._of_form[self._forms[index]]:
                if other != index:
                    yield (*conjunction[:position], other, *conjunction[position + 1 :])

    def _test(self, candidates: Iterable[Sequence[int]]) -> list[ConditionCounts]:
        """Test the conjunctions that are new and use each brick once; return those with enough deals."""
        listed = np.array(list(candidates), dtype=np.int64)
        if not len(listed):
            return []
        listed = np.unique(np.sort(listed, axis=1), axis=0)
        bricks = np.sort(self._bricks[listed], axis=1)
        listed = listed[(np.diff(bricks, axis=1) != 0).all(axis=1)]
        # Conditions on the same bricks are known for the same deals, which are modelled once.
        listed = listed[np.lexsort(self._bricks[listed].T[::-1])]
        listed = np.array([one for one in listed.tolist() if tuple(one) not in self._tested], dtype=np.int64)
        step = max(256, _CELLS // max(1, len(self._deals.won)))
        found = [
            counts for start in range(0, len(listed), step) for counts in self._test_chunk(listed[start : start + step])
        ]
        self._tested.update({counts.conjunction: counts for counts in found})
        return found

    def _test_chunk(self, indexes: Indexes) -> list[ConditionCounts]:
        deals = self._deals
        known, holds = all_of(deals.known, indexes), all_of(deals.holds, indexes)
        n, won_of_n = deals.counts(known)
        support, won = deals.counts(holds)
        is_tested = (
            (support >= self._min_support) & (n >= self._min_deals) & (support < n) & (won_of_n > 0) & (won_of_n < n)
        )
        indexes, known, holds = indexes[is_tested], known[is_tested], holds[is_tested]
        n, won_of_n, support, won = (counts[is_tested] for counts in (n, won_of_n, support, won))
        tested = self._test_of.test(holds, known, deals.exposure_of(indexes))
        is_above = tested.deviation > 0
        # Against each part, among the deals for which the part holds and every answer is known.
        exceeds = np.ones(len(indexes), dtype=np.bool_)
        for omitted in range(indexes.shape[1]) if indexes.shape[1] > 1 else ():
            part_n, part_won = deals.counts(deals.part(indexes, omitted) & known)
            exceeds &= np.where(is_above, won * part_n > part_won * support, won * part_n < part_won * support)
        return [
            ConditionCounts(
                conjunction=tuple(indexes[index].tolist()),
                n=int(n[index]),
                won_of_n=int(won_of_n[index]),
                support=int(support[index]),
                won=int(won[index]),
                p_value=float(tested.p_value[index]),
                is_above=bool(is_above[index]),
                exceeds_parts=bool(exceeds[index]),
            )
            for index in range(len(indexes))
        ]


def _most_significant(found: Iterable[ConditionCounts], limit: int) -> list[ConditionCounts]:
    """Return those that exceed their parts, by p-value, up to a limit."""
    exceeding = (one for one in found if one.exceeds_parts)
    return sorted(exceeding, key=lambda one: (one.p_value, one.conjunction))[:limit]
