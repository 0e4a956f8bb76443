"""Conditions on a deal's answers (`budget_confirmed`, `discovery_depth > 65`), each as bits over the deals."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from copilot_pipeline.config.bricks import BrickRef
from copilot_pipeline.marts.brick_roles import scale_of
from copilot_pipeline.marts.model import BrickKey
from copilot_pipeline.marts.numbers import plain
from copilot_pipeline.marts.win_loss.deal_observations import Observation, Observed

Bits = NDArray[np.uint8]  # a bit a deal, in the order of the observations

_MOST_CUTS = 20
_MOST_NAMES = 20
_LONGEST_NAME = 60


@dataclass(frozen=True, eq=False)
class Condition:
    """A condition. `form` is what it asks, without the value: conditions of one brick and form differ in the cut."""

    brick: BrickKey
    form: str
    words: str
    holds: Bits
    known: Bits


def conditions(
    observed: Sequence[Observation], thresholds: Mapping[BrickRef, Sequence[float]], min_support: int
) -> list[Condition]:
    """Every condition that holds for enough deals, but not for all of whom it is known; each set of deals once."""
    bricks = sorted({key for observation in observed for key in observation.answers})
    spoken = _spoken(bricks)
    found: list[Condition] = []
    seen: set[tuple[bytes, bytes]] = set()
    alike: Counter[str] = Counter()
    for brick in bricks:
        values = [observation.answers.get(brick) for observation in observed]
        for condition in _of_brick(brick, spoken[brick], values, thresholds.get(BrickRef(*brick), ()), min_support):
            support, known = count(condition.holds), count(condition.known)
            same = (condition.holds.tobytes(), condition.known.tobytes())
            if min_support <= support < known and same not in seen:
                seen.add(same)
                alike[condition.words] += 1
                # Two long texts may begin alike: each condition is spoken of in words of its own.
                again = f" ({alike[condition.words]})" if alike[condition.words] > 1 else ""
                found.append(replace(condition, words=condition.words + again))
    return found


def count(bits: Bits) -> int:
    """Deals with the bit set."""
    return int(np.bitwise_count(bits).sum())


def bits_of(flags: Sequence[bool]) -> Bits:
    """A bit a deal."""
    return np.packbits(np.asarray(flags, dtype=np.bool_))


def _spoken(bricks: Collection[BrickKey]) -> dict[BrickKey, str]:
    """Bricks as people speak of them: with the kit only where two kits have a brick of that name."""
    uses = Counter(brick for _, brick in bricks)
    return {key: key[1] if uses[key[1]] == 1 else ".".join(key) for key in bricks}


def _of_brick(
    brick: BrickKey, name: str, values: Sequence[Observed | None], wanted: Sequence[float], min_support: int
) -> Iterator[Condition]:
    known_kinds = Counter(_kind(value) for value in values if value is not None)
    kind = known_kinds.most_common(1)[0][0]
    of_kind = [value if value is not None and _kind(value) is kind else None for value in values]
    known = bits_of([value is not None for value in of_kind])

    def condition(form: str, words: str, holds: Iterable[bool]) -> Condition:
        return Condition(brick, form, words, bits_of(list(holds)), known)

    if kind is bool:
        yield condition("yes", name, (value is True for value in of_kind))
        yield condition("no", f"not {name}", (value is False for value in of_kind))
    elif kind is float:
        # Unknown compares as neither above nor below.
        numbers = np.array([value if isinstance(value, float) else math.nan for value in of_kind])
        for cut in wanted or _cuts(float(np.nanmin(numbers)), float(np.nanmax(numbers))):
            yield condition(">", f"{name} > {plain(cut)}", (numbers > cut).tolist())
            yield condition("<=", f"{name} <= {plain(cut)}", (numbers <= cut).tolist())
    else:
        named = [value if isinstance(value, frozenset) else frozenset() for value in of_kind]
        spellings = Counter(item for items in named for item in items)
        # `Yes` and `yes` are one answer, shown as it is written most.
        shown: dict[str, str] = {}
        for item in sorted(spellings, key=lambda item: (-spellings[item], item)):
            shown.setdefault(item.casefold(), item)
        sets = [frozenset(item.casefold() for item in items) for items in named]
        uses = Counter(item for items in sets for item in items)
        is_category = all(len(items) <= 1 for items in sets)
        frequent = sorted((item for item in uses if uses[item] >= min_support), key=lambda item: (-uses[item], item))
        for item in frequent[:_MOST_NAMES]:
            words = f"{name} {'is' if is_category else 'contains'} {_short(shown[item])}"
            yield condition(f"= {item}", words, (item in items for items in sets))


def _kind(value: Observed) -> type:
    return bool if isinstance(value, bool) else float if isinstance(value, float) else frozenset


def _cuts(lowest: float, highest: float) -> list[float]:
    """Round values between the lowest and the highest, at most about twenty: what people would say."""
    low, high = scale_of(None, highest) if lowest >= 0 else (lowest, highest)
    if not high > low:
        return []
    rough = (high - low) / _MOST_CUTS
    ten = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * ten for factor in (1, 2, 5, 10) if factor * ten >= rough * (1 - 1e-9))
    first, last = math.floor(lowest / step), math.ceil(highest / step)
    return [cut for place in range(first, last + 1) if lowest <= (cut := round(place * step, 12)) < highest]


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
