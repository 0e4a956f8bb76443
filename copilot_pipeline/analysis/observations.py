"""One observation a deal: what the kits said on its calls before it closed, taken together."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from copilot_pipeline.analysis.model import BrickKey, Conversation, Deal, Outcome, Value
from copilot_pipeline.settings.answers import WinLossSettings

Observed = bool | float | frozenset[str]  # yes/no, a score, or every category and item that was named


@dataclass(frozen=True, slots=True)
class Observation:
    """A closed deal. A brick that is not in `answers` is unknown, which is never a no."""

    deal_id: str
    is_won: bool
    answers: Mapping[BrickKey, Observed]


def observations(
    conversations: Iterable[Conversation], deals: Iterable[Deal], settings: WinLossSettings
) -> list[Observation]:
    """The closed deals with scored calls, by id. What was said after a deal closed cannot have decided it."""
    closed = {deal.deal_id: deal for deal in deals if deal.outcome is not Outcome.OPEN}
    calls: defaultdict[str, list[Conversation]] = defaultdict(list)
    for conversation in conversations:
        if conversation.deal_id in closed and conversation.kit_versions:
            calls[conversation.deal_id].append(conversation)
    left_out = frozenset(settings.leave_out)
    found = []
    for deal_id in sorted(calls):
        before = _before_close(closed[deal_id], calls[deal_id])
        before.sort(key=lambda call: (call.started_at, call.call_id))
        answers = {
            key: observed
            for key, values in _answered(before, left_out).items()
            if (observed := _together(values, settings.across_calls)) is not None
        }
        if before:
            found.append(Observation(deal_id, closed[deal_id].outcome is Outcome.WON, answers))
    return found


def _before_close(deal: Deal, calls: list[Conversation]) -> list[Conversation]:
    """Up to the moment that the CRM's history gives; the close date is often a guess that nobody mended."""
    if deal.closed_at is not None:
        return [call for call in calls if call.started_at <= deal.closed_at]
    if deal.close_date is not None:
        before = [call for call in calls if call.started_at.date() <= deal.close_date.date()]
        return before or calls
    return calls


def _answered(calls: Sequence[Conversation], left_out: frozenset[str]) -> dict[BrickKey, list[Value]]:
    values: defaultdict[BrickKey, list[Value]] = defaultdict(list)
    for call in calls:
        for key, answer in call.answers.items():
            if answer.value is not None and key[0] not in left_out and ".".join(key) not in left_out:
                values[key].append(answer.value)
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
    items = value if isinstance(value, list) else [value]
    return [" ".join(item.split()) for item in items if isinstance(item, str) and item.strip()]
