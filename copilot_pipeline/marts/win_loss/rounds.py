"""Rounds of search and confirmation: what older deals suggest, the deals after them confirm (rolling origin).

A round searches the oldest deals, up to a split, and confirms on all deals after it. An early split leaves many deals
to confirm, a late one many to search. The candidates of all rounds are tested together: each has a weight that depends
on the older deals only, half as much for each place in the order of what was found there (weighted Bonferroni, after
Genovese, Roeder and Wasserman 2006, https://doi.org/10.1093/biomet/93.3.509). So a strong candidate does not pay for
weak ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import false_discovery_control

from copilot_pipeline.config.marts import WinLossSettings
from copilot_pipeline.marts.win_loss.conditions import Mask
from copilot_pipeline.marts.win_loss.confirmation import Confirmer, Model
from copilot_pipeline.marts.win_loss.deals import Conjunction, Deals
from copilot_pipeline.marts.win_loss.found import Found
from copilot_pipeline.marts.win_loss.search import Search

_MAX_LISTED = 100  # of each size
_CANDIDATES_PER_SIZE = 4
_NEXT_WEIGHT = 0.5  # weight of a candidate, as a share of that of the better one before it
_MANY_DEALS = 2_000  # from which one round has enough of them


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """What was found on the deals before a split, most significant first, and the test on those after it."""

    split: int  # index of the first deal that was not searched
    found: Sequence[Found]
    confirmer: Confirmer
    tested: int


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A condition with the round that found it."""

    round: Round
    found: Found
    weight: float = 0.0  # of its test on the newer deals; 0: it is not tested there
    opposite: Conjunction | None = None  # the candidate whose opposite it is: both are one test

    @property
    def is_candidate(self) -> bool:
        """Whether it is tested on the newer deals."""
        return self.weight > 0

    @property
    def family(self) -> object:
        """What it shares with the conditions that differ in their cut-points only."""
        return self.found.family


def splits_of(won: Mask, shares: Sequence[float]) -> list[int]:
    """Return the splits, ascending, that leave won and lost deals before them and any deal after them."""
    chosen = [sorted(shares)[len(shares) // 2]] if len(won) >= _MANY_DEALS else shares
    splits = sorted({round(len(won) * share) for share in chosen})
    return [split for split in splits if split < len(won) and won[:split].any() and not won[:split].all()]


def rounds(deals: Deals, splits: Sequence[int], settings: WinLossSettings) -> list[Round]:
    """Search before each split."""
    model = Model.of(deals)
    done = []
    for split in splits:
        is_newer = np.arange(len(deals.won)) >= split
        search = Search(deals.part_of(~is_newer), settings)
        search.run()
        found = [one for size in range(1, settings.max_conditions + 1) for one in _found(search, size, settings)]
        done.append(Round(split, found, Confirmer(deals, is_newer, model), search.tested))
    return done


def listed(done: Sequence[Round], deals: Deals) -> list[Entry]:
    """Return the candidates of every round with their opposites, and what else the last round found, each once."""
    entries: dict[Conjunction, Entry] = {}
    for one in done:
        weight = 1.0
        for found in _candidates(one.found):
            conjunction = found.counts.conjunction
            if conjunction not in entries:
                entries[conjunction] = Entry(one, found, weight)
                weight *= _NEXT_WEIGHT
                for opposite in one.found:
                    if _is_opposite(conjunction, opposite.counts.conjunction, deals):
                        entry = Entry(one, opposite, opposite=conjunction)
                        entries.setdefault(opposite.counts.conjunction, entry)
    for found in done[-1].found:
        entries.setdefault(found.counts.conjunction, Entry(done[-1], found))
    return list(entries.values())


def discovered(done: Sequence[Round]) -> Mapping[object, float]:
    """Return the families that are significant on the older deals of any round, with their smallest q-value.

    It is no part of the weights of the candidates, which depend on the older deals of their own round only.
    """
    found: dict[object, float] = {}
    for one in (one for of_round in done for one in of_round.found if one.is_significant):
        found[one.family] = min(one.q_value, found.get(one.family, 1.0))
    return found


def _is_opposite(one: Conjunction, other: Conjunction, deals: Deals) -> bool:
    """Return whether one single condition is the negation of another, such as yes and no."""
    if len(one) != 1 or len(other) != 1 or not np.array_equal(deals.known[one], deals.known[other]):
        return False
    return np.array_equal(deals.holds[one], deals.known[one] & ~deals.holds[other])


def confirmed_p_values(entries: Sequence[Entry]) -> Mapping[Conjunction, float]:
    """Return the p-values of the candidates on the newer deals, corrected for their number by their weights.

    A conjunction must be better than its parts, too: the largest p-value counts.
    """
    candidates = [entry for entry in entries if entry.is_candidate]
    if not candidates:
        return {}
    p_values = [entry.round.confirmer.p_value(entry.found) for entry in candidates]
    corrected = weighted_holm(p_values, [entry.weight for entry in candidates])
    of_candidates = {
        entry.found.counts.conjunction: max(p_value, entry.round.confirmer.refinement(entry.found))
        for entry, p_value in zip(candidates, corrected, strict=True)
    }
    of_opposites = {
        entry.found.counts.conjunction: of_candidates[entry.opposite] for entry in entries if entry.opposite is not None
    }
    return {**of_opposites, **of_candidates}


def weighted_holm(p_values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Return p-values corrected by Holm's procedure (1979), whose steps are in proportion to the weights."""
    ratios = np.array(p_values) / np.array(weights)
    left, largest = float(sum(weights)), 0.0
    corrected = np.ones(len(ratios))
    for index in np.argsort(ratios, kind="stable"):
        largest = max(largest, min(1.0, float(ratios[index]) * left))
        corrected[index] = largest
        left -= weights[index]
    return [float(value) for value in corrected]


def _candidates(found: Sequence[Found]) -> list[Found]:
    """Return the most significant conjunctions of each size, each set of bricks once, the most significant first."""
    best: dict[frozenset[str], Found] = {}
    for one in sorted(found, key=lambda one: (one.counts.p_value, one.counts.conjunction)):
        best.setdefault(one.bricks, one)
    sizes = Counter[int]()
    chosen = []
    for one in best.values():
        sizes[len(one.bricks)] += 1
        if sizes[len(one.bricks)] <= _CANDIDATES_PER_SIZE:
            chosen.append(one)
    return sorted(chosen, key=lambda one: (one.q_value, one.counts.p_value, one.counts.conjunction))


def _found(search: Search, size: int, settings: WinLossSettings) -> list[Found]:
    """Return the best conjunctions of a size, most significant first."""
    rate = settings.false_discovery_rate
    families = search.families(size)
    if not families:
        return []
    corrected = false_discovery_control([family.p_value for family in families]).tolist()
    exceeding = [
        (family.best, min(1.0, settings.max_conditions * q_value))
        for family, q_value in zip(families, corrected, strict=True)
        if family.best.exceeds_parts
    ]
    best = sorted(exceeding, key=lambda one: (one[0].p_value, one[0].conjunction))[:_MAX_LISTED]
    refinements = search.refinements([counts for counts, _ in best])
    return [
        Found(
            counts=counts,
            bricks=frozenset(".".join(one.brick) for one in search.conditions_of(counts)),
            family=frozenset((one.brick, one.form) for one in search.conditions_of(counts)),
            q_value=q_value,
            refinement=refined,
            is_significant=q_value <= rate and refined.largest <= rate,
        )
        for (counts, q_value), refined in zip(best, refinements, strict=True)
    ]
