"""Conditions on the answers of a deal, such as `budget_confirmed` or `discovery_depth > 65`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from copilot_pipeline.config.bricks import BrickRef
from copilot_pipeline.marts.brick_roles import scale_of
from copilot_pipeline.marts.model import BrickKey
from copilot_pipeline.marts.numbers import plain
from copilot_pipeline.marts.win_loss.deal_observations import Observation, Observed
from copilot_pipeline.marts.win_loss.saddlepoint import Floats

Mask = NDArray[np.bool_]  # one flag per deal, in the order of the observations

_MAX_CUT_POINTS = 20
_MAX_ITEMS = 20
_MAX_ITEM_LENGTH = 60
_MIN_DEALS_PER_EXPOSURE = 8


@dataclass(frozen=True, eq=False)
class Condition:
    """A condition with the deals it holds for and the deals whose answer is known.

    `form` is the condition without its cut-point: conditions of the same brick and form differ only in the cut-point.
    `exposure` is the share of the deals with about as many answered calls that meet it.
    """

    brick: BrickKey
    form: str
    text: str
    holds: Mask
    known: Mask
    exposure: Floats


def conditions(
    observed: Sequence[Observation], thresholds: Mapping[BrickRef, Sequence[float]], min_support: int
) -> list[Condition]:
    """Return the conditions that hold for at least `min_support` deals but not for all with a known answer.

    Of conditions that hold for the same deals the first is kept. `thresholds` replaces the cut-points of a score.
    """
    bricks = sorted({key for observation in observed for key in observation.answers})
    names = _display_names(bricks)
    kept: list[Condition] = []
    seen: set[tuple[bytes, bytes]] = set()
    same_text: Counter[str] = Counter()
    of_bricks = (
        _of_brick(brick, names[brick], observed, thresholds.get(BrickRef(*brick), ()), min_support) for brick in bricks
    )
    for condition in chain(*of_bricks, _of_coverage(observed)):
        support, known = int(condition.holds.sum()), int(condition.known.sum())
        deals = (condition.holds.tobytes(), condition.known.tobytes())
        if min_support <= support < known and deals not in seen:
            seen.add(deals)
            same_text[condition.text] += 1
            # Two long texts may have the same beginning; a number keeps their conditions apart.
            number = f" ({same_text[condition.text]})" if same_text[condition.text] > 1 else ""
            kept.append(replace(condition, text=condition.text + number))
    return kept


def _display_names(bricks: Collection[BrickKey]) -> dict[BrickKey, str]:
    """Map bricks to their key, preceded by the kit if two kits have a brick of that key."""
    uses = Counter(brick for _, brick in bricks)
    return {key: key[1] if uses[key[1]] == 1 else ".".join(key) for key in bricks}


def _of_coverage(observed: Sequence[Observation]) -> Iterator[Condition]:
    """An element counts as not covered if no call covers it, answered or not: the definition of `meddicc_coverage`."""
    for element in sorted({element for observation in observed for element in observation.coverage}):
        seen = [observation.coverage.get(element) for observation in observed]
        brick = next(one.brick for one in seen if one is not None)
        known = np.array([one is not None for one in seen])
        calls = np.array([one.calls if one is not None else 0 for one in seen])
        covered = np.array([one is not None and one.is_covered for one in seen])
        for form, text, holds in (("covered", "covered", covered), ("uncovered", "never covered", known & ~covered)):
            yield Condition(brick, form, f"{element} {text}", holds, known, _exposure(holds, calls))


def _exposure(holds: Mask, calls: NDArray[np.int64]) -> Floats:
    """Return, for each deal, the share of the deals with about as many calls for which the condition holds.

    Numbers of calls with few deals are joined with the next smaller one. It is a propensity score (Rosenbaum and Rubin
    1983, https://doi.org/10.1093/biomet/70.1.41): deals with the same one had the same chance to meet the condition.
    """
    deals = np.bincount(calls)
    groups, of_group, group = np.zeros(len(deals), dtype=np.int64), 0, 1
    remaining = int(deals[1:].sum())
    for number, count in enumerate(deals.tolist()[1:], start=1):
        if of_group >= _MIN_DEALS_PER_EXPOSURE and remaining >= _MIN_DEALS_PER_EXPOSURE:
            group, of_group = group + 1, 0
        groups[number] = group
        of_group += count
        remaining -= count
    at = groups[calls]
    shares: Floats = np.bincount(at, weights=holds) / np.maximum(1, np.bincount(at))
    return shares[at]


def _of_brick(
    brick: BrickKey, name: str, observed: Sequence[Observation], thresholds: Sequence[float], min_support: int
) -> Iterator[Condition]:
    values = [observation.answers.get(brick) for observation in observed]
    calls = np.array([observation.answered.get(brick, 0) for observation in observed])
    kinds = Counter(_kind(value) for value in values if value is not None)
    kind = kinds.most_common(1)[0][0]
    of_kind = [value if value is not None and _kind(value) is kind else None for value in values]
    known = np.array([value is not None for value in of_kind])

    def condition(form: str, text: str, holds: Iterable[bool]) -> Condition:
        deals = np.fromiter(holds, dtype=np.bool_, count=len(known))
        return Condition(brick, form, text, deals, known, _exposure(deals, calls))

    if kind is bool:
        yield condition("yes", name, (value is True for value in of_kind))
        yield condition("no", f"not {name}", (value is False for value in of_kind))
    elif kind is float:
        # NaN is neither above nor below a cut-point.
        numbers = np.array([value if isinstance(value, float) else math.nan for value in of_kind])
        for cut in thresholds or _cut_points(float(np.nanmin(numbers)), float(np.nanmax(numbers))):
            yield condition(">", f"{name} > {plain(cut)}", numbers > cut)
            yield condition("<=", f"{name} <= {plain(cut)}", numbers <= cut)
    else:
        named = [value if isinstance(value, frozenset) else frozenset() for value in of_kind]
        spellings = Counter(item for items in named for item in items)
        # `Yes` and `yes` are one item, displayed in its most frequent spelling.
        displayed: dict[str, str] = {}
        for item in sorted(spellings, key=lambda item: (-spellings[item], item)):
            displayed.setdefault(item.casefold(), item)
        sets = [frozenset(item.casefold() for item in items) for items in named]
        uses = Counter(item for items in sets for item in items)
        is_category = all(len(items) <= 1 for items in sets)
        frequent = sorted((item for item in uses if uses[item] >= min_support), key=lambda item: (-uses[item], item))
        for item in frequent[:_MAX_ITEMS]:
            text = f"{name} {'is' if is_category else 'contains'} {_shortened(displayed[item])}"
            yield condition(f"= {item}", text, (item in items for items in sets))


def _kind(value: Observed) -> type:
    return bool if isinstance(value, bool) else float if isinstance(value, float) else frozenset


def _cut_points(lowest: float, highest: float) -> list[float]:
    """Return about twenty round values (steps of 1, 2 or 5 times a power of ten) between lowest and highest."""
    low, high = scale_of(None, highest) if lowest >= 0 else (lowest, highest)
    if not high > low:
        return []
    rough_step = (high - low) / _MAX_CUT_POINTS
    power = 10.0 ** math.floor(math.log10(rough_step))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough_step * (1 - 1e-9))
    first, last = math.floor(lowest / step), math.ceil(highest / step)
    return [cut for index in range(first, last + 1) if lowest <= (cut := round(index * step, 12)) < highest]


def _shortened(name: str) -> str:
    return name if len(name) <= _MAX_ITEM_LENGTH else name[: _MAX_ITEM_LENGTH - 1] + "…"
