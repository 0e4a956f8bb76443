"""One observation a deal: what the kits said on its calls before it closed, taken together."""

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

Observed = bool | float | frozenset[str]  # yes/no, a score, or every category and item that was named


@dataclass(frozen=True, slots=True)
class Observation:
    """A closed deal. A brick that is not in `answers` is unknown, which is never a no."""

    deal_id: str
    is_won: bool
    answers: Mapping[BrickKey, Observed]


class _Call(NamedTuple):
    """What a call said."""

    started_at: datetime
    call_id: str
    values: Mapping[BrickKey, Value]


def observations(
    conversations: Iterable[ScoredCall], deals: Iterable[Deal], settings: WinLossSettings
) -> list[Observation]:
    """The closed deals with scored calls, by id. What was said after a deal closed cannot have decided it."""
    closed = {deal.deal_id: deal for deal in deals if deal.outcome is not DealOutcome.OPEN}
    left_out = frozenset(settings.exclude)
    calls: defaultdict[str, list[_Call]] = defaultdict(list)
    for conversation in conversations:
        if conversation.deal_id in closed and conversation.is_scored:
            # Values only: of thousands of deals, reasons and quotes would fill the memory.
            calls[conversation.deal_id].append(
                _Call(conversation.started_at, conversation.call_id, _values(conversation, left_out))
            )
    found = []
    for deal_id in sorted(calls):
        before = sorted(before_close(closed[deal_id], calls[deal_id]), key=lambda call: (call.started_at, call.call_id))
        answers = {
            key: observed
            for key, values in _answered(before).items()
            if (observed := _together(values, settings.across_calls)) is not None
        }
        if before:
            found.append(Observation(deal_id, closed[deal_id].outcome is DealOutcome.WON, answers))
    return found


def _values(conversation: ScoredCall, left_out: frozenset[str]) -> dict[BrickKey, Value]:
    return {
        key: answer.value
        for key, answer in conversation.bricks.items()
        if answer.value is not None and key[0] not in left_out and ".".join(key) not in left_out
    }


def _answered(calls: Sequence[_Call]) -> dict[BrickKey, list[Value]]:
    values: defaultdict[BrickKey, list[Value]] = defaultdict(list)
    for call in calls:
        for key, value in call.values.items():
            values[key].append(value)
    return values


def _together(values: Sequence[Value], across_calls: str) -> Observed | None:
    """The values of a brick on the calls of a deal, oldest first, as one; those of another kind than most are not."""
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
    """A category, or the items of a list that are plain names."""
    return [" ".join(item.split()) for item in items_of(value) if isinstance(item, str) and item.strip()]
