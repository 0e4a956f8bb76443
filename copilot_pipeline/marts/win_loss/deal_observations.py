"""One observation per closed deal: the answers on its calls before it closed, combined."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import fmean
from typing import NamedTuple

from copilot_pipeline.config.marts import MeddiccSettings, WinLossSettings
from copilot_pipeline.marts.brick_roles import Element, scale_of
from copilot_pipeline.marts.circumstances import segment_of
from copilot_pipeline.marts.meddicc import is_covered
from copilot_pipeline.marts.model import BrickKey, Deal, ScoredCall, Value, items_of
from copilot_pipeline.marts.win_loss.considered_calls import close_of, considered
from copilot_pipeline.transform.deal_outcomes import DealOutcome

Observed = bool | float | frozenset[str]  # yes/no, a score, or all categories and list items

_SECONDS_PER_HOUR, _SECONDS_PER_DAY = 3_600.0, 86_400.0


class Coverage(NamedTuple):
    """Whether any call covered a MEDDICC element, and the number of calls that its kit scored."""

    is_covered: bool
    calls: int
    brick: BrickKey


@dataclass(frozen=True, slots=True)
class Observation:
    """A closed deal. A brick that is missing from `answers` is unknown, not false."""

    deal_id: str
    is_won: bool
    answers: Mapping[BrickKey, Observed]
    answered: Mapping[BrickKey, int]  # number of calls with a value
    closed_at: datetime  # else its last considered call
    calls: int
    days: float  # from its creation, else its first call, until the close
    days_between_calls: float  # first and last
    rep_id: str | None = None  # of most of its calls
    amount: float | None = None
    segment: str | None = None
    stage: str | None = None  # the last one before the close
    account: str | None = None
    hours: float | None = None  # of its calls whose duration is known, on average
    prospects: float | None = None  # on its calls with any, on average
    coverage: Mapping[str, Coverage] = field(default_factory=dict)  # by element


class _Call(NamedTuple):
    """The values of a call, without reasons and quotes, which would not fit into memory for thousands of deals.

    `bricks` is shared by all calls with the same bricks.
    """

    started_at: datetime
    call_id: str
    rep_id: str | None
    duration_s: float | None
    prospects: int
    kits: frozenset[str]
    bricks: tuple[BrickKey, ...]
    values: tuple[Value, ...]


class Elements:
    """The MEDDICC elements without excluded bricks and kits. `highest` are the highest scores by element."""

    def __init__(
        self,
        by_name: Mapping[str, Element],
        settings: MeddiccSettings,
        highest: Mapping[str, float],
        excluded: Collection[str] = (),
    ) -> None:
        self._by_name = {
            name: element for name, element in by_name.items() if not _is_excluded(element.brick, excluded)
        }
        self._scales = {name: scale_of(one.scale, highest.get(name)) for name, one in self._by_name.items()}
        self._covered_from = settings.covered_from

    def coverage(self, calls: Sequence[_Call]) -> dict[str, Coverage]:
        """Return the elements whose kit scored any of the calls."""
        found = {}
        for name, element in self._by_name.items():
            scored = [call for call in calls if element.brick[0] in call.kits]
            if scored:
                values = (_value(call, element.brick) for call in scored)
                covered = any(is_covered(value, element, self._scales[name], self._covered_from) for value in values)
                found[name] = Coverage(covered, len(scored), element.brick)
        return found


def deal_observations(
    calls: Iterable[ScoredCall], deals: Iterable[Deal], settings: WinLossSettings, elements: Elements | None = None
) -> list[Observation]:
    """Return the closed deals that have scored calls before their close, by id."""
    closed = {deal.deal_id: deal for deal in deals if deal.outcome is not DealOutcome.OPEN}
    of_deal = _of_deals(calls, closed, frozenset(settings.exclude))
    return list(_observations(of_deal, closed, settings, elements))


def _of_deals(
    calls: Iterable[ScoredCall], deals: Mapping[str, Deal], excluded: frozenset[str]
) -> dict[str, list[_Call]]:
    of_deal: defaultdict[str, list[_Call]] = defaultdict(list)
    shared: dict[tuple[BrickKey, ...], tuple[BrickKey, ...]] = {}
    for call in calls:
        if call.deal_id is not None and call.deal_id in deals and call.is_scored:
            values = {key: answer.value for key, answer in call.bricks.items() if answer.value is not None}
            kept = {key: value for key, value in values.items() if not _is_excluded(key, excluded)}
            bricks = shared.setdefault(tuple(kept), tuple(kept))
            kits = frozenset(kit for kit in call.runs if call.is_scored_by(kit))
            rep_id = call.rep.rep_id if call.rep is not None else None
            of_deal[call.deal_id].append(
                _Call(
                    call.started_at,
                    call.call_id,
                    rep_id,
                    call.duration_s,
                    len(call.prospects),
                    kits,
                    bricks,
                    tuple(kept.values()),
                )
            )
    return of_deal


def _observations(
    of_deal: Mapping[str, Sequence[_Call]],
    deals: Mapping[str, Deal],
    settings: WinLossSettings,
    elements: Elements | None,
) -> Iterator[Observation]:
    for deal_id in sorted(of_deal):
        deal = deals[deal_id]
        in_order = considered(deal, sorted(of_deal[deal_id], key=lambda call: call.call_id), settings)
        if not in_order:
            continue
        values = _values_by_brick(in_order)
        first, last = in_order[0].started_at, in_order[-1].started_at
        closed_at = close_of(deal) or last
        hours = [call.duration_s / _SECONDS_PER_HOUR for call in in_order if call.duration_s]
        prospects = [call.prospects for call in in_order if call.prospects]
        reps = Counter(call.rep_id for call in in_order if call.rep_id is not None)
        yield Observation(
            deal_id=deal_id,
            is_won=deal.outcome is DealOutcome.WON,
            answers={key: _combined(of_brick, settings.across_calls) for key, of_brick in values.items()},
            answered={key: len(of_brick) for key, of_brick in values.items()},
            closed_at=closed_at,
            calls=len(in_order),
            days=max(0.0, (closed_at - (deal.created_at or first)).total_seconds() / _SECONDS_PER_DAY),
            days_between_calls=(last - first).total_seconds() / _SECONDS_PER_DAY,
            rep_id=reps.most_common(1)[0][0] if reps else None,
            amount=deal.amount,
            segment=segment_of(deal, settings.segment_field),
            stage=_last_stage(deal),
            account=deal.account_name.strip().casefold() or None if deal.account_name else None,
            hours=fmean(hours) if hours else None,
            prospects=fmean(prospects) if prospects else None,
            coverage=elements.coverage(in_order) if elements is not None else {},
        )


def _is_excluded(brick: BrickKey, excluded: Collection[str]) -> bool:
    return bool(excluded) and (brick[0] in excluded or ".".join(brick) in excluded)


def _last_stage(deal: Deal) -> str | None:
    """Return the last stage before the close."""
    closed_at = deal.closed_at
    before = [stage for moment, stage in deal.stages if closed_at is not None and moment < closed_at]
    return before[-1] if before else None


def _value(call: _Call, brick: BrickKey) -> Value:
    return call.values[call.bricks.index(brick)] if brick in call.bricks else None


def _values_by_brick(calls: Sequence[_Call]) -> dict[BrickKey, list[Value]]:
    values: defaultdict[BrickKey, list[Value]] = defaultdict(list)
    for call in calls:
        for key, value in zip(call.bricks, call.values, strict=True):
            values[key].append(value)
    return values


def _combined(values: Sequence[Value], across_calls: str) -> Observed:
    """Combine the values of a brick on the calls of a deal, oldest first; values of a minority kind are dropped."""
    kinds = [_kind(value) for value in values]
    kind = kinds[0] if len(set(kinds)) == 1 else Counter(kinds).most_common(1)[0][0]
    same = [value for value, of_value in zip(values, kinds, strict=True) if of_value == kind]
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
