"""One observation per closed deal: the answers on its calls before it closed, combined."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean
from typing import NamedTuple

from copilot_pipeline.config.marts import WinLossSettings
from copilot_pipeline.marts.model import BrickKey, Deal, ScoredCall, Value, items_of
from copilot_pipeline.marts.outcomes import before_close
from copilot_pipeline.transform.deal_outcomes import DealOutcome

Observed = bool | float | frozenset[str]  # yes/no, a score, or all categories and list items


@dataclass(frozen=True, slots=True)
class Observation:
    """A closed deal. A brick that is missing from `answers` is unknown, not false."""

    deal_id: str
    is_won: bool
    answers: Mapping[BrickKey, Observed]


class _Call(NamedTuple):
    """The values of a call, without reasons and quotes, which would not fit into memory for thousands of deals."""

    started_at: datetime
    call_id: str
    values: Mapping[BrickKey, Value]


def deal_observations(
    calls: Iterable[ScoredCall], deals: Iterable[Deal], settings: WinLossSettings
) -> list[Observation]:
    """Return the closed deals that have scored calls before their close, by id."""
    closed = {deal.deal_id: deal for deal in deals if deal.outcome is not DealOutcome.OPEN}
    excluded = frozenset(settings.exclude)
    of_deal: defaultdict[str, list[_Call]] = defaultdict(list)
    for call in calls:
        if call.deal_id in closed and call.is_scored:
            of_deal[call.deal_id].append(_Call(call.started_at, call.call_id, _values(call, excluded)))
    observations = []
    for deal_id in sorted(of_deal):
        before = before_close(closed[deal_id], of_deal[deal_id])
        in_order = sorted(before, key=lambda call: (call.started_at, call.call_id))
        answers = {key: _combined(values, settings.across_calls) for key, values in _values_by_brick(in_order).items()}
        if in_order:
            observations.append(Observation(deal_id, closed[deal_id].outcome is DealOutcome.WON, answers))
    return observations


def _values(call: ScoredCall, excluded: frozenset[str]) -> dict[BrickKey, Value]:
    return {
        key: answer.value
        for key, answer in call.bricks.items()
        if answer.value is not None and key[0] not in excluded and ".".join(key) not in excluded
    }


def _values_by_brick(calls: Sequence[_Call]) -> dict[BrickKey, list[Value]]:
    values: defaultdict[BrickKey, list[Value]] = defaultdict(list)
    for call in calls:
        for key, value in call.values.items():
            values[key].append(value)
    return values


def _combined(values: Sequence[Value], across_calls: str) -> Observed:
    """Combine the values of a brick on the calls of a deal, oldest first; values of a minority kind are dropped."""
    kind = Counter(map(_kind, values)).most_common(1)[0][0]
    same = [value for value in values if _kind(value) == kind]
    if across_calls == "latest":
        same = same[-1:]
    if kind == "bool":
        if across_calls != "average":
            return any(same)
        yes = sum(map(bool, same))
        return bool(same[-1]) if 2 * yes == len(same) else 2 * yes > len(same)
    if kind == "num":
        numbers = [float(value) for value in same if isinstance(value, int | float)]
        return fmean(numbers) if across_calls == "average" else max(numbers)
    named = same[-1:] if across_calls == "average" else same
    return frozenset(name for value in named for name in _names(value))


def _kind(value: Value) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "num"
    return "text" if isinstance(value, str) else "list"


def _names(value: Value) -> list[str]:
    """Return a category, or the text items of a list."""
    return [" ".join(item.split()) for item in items_of(value) if isinstance(item, str) and item.strip()]
