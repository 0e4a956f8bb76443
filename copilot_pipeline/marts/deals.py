"""Open deals: the newest answer and the trend of each brick, and what a deal review asks of each deal."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from copilot_pipeline.config.bricks import BrickRef
from copilot_pipeline.config.conditions import ConditionSettings, evaluate
from copilot_pipeline.config.marts import DealSettings
from copilot_pipeline.marts.model import BrickAnswer, BrickKey, Deal, ScoredCall, Value
from copilot_pipeline.marts.numbers import plain
from copilot_pipeline.marts.trends import slope
from copilot_pipeline.transform.deal_outcomes import DealOutcome

SECONDS_A_DAY = 86_400.0


class DealSignal(NamedTuple):
    """A row of `deal_signals`."""

    deal_id: str
    kit: str
    brick: str
    value_kind: str
    latest: str
    latest_num: float | None
    previous: str | None
    change: float | None
    trend: str
    slope: float | None
    answers: int
    call_id: str
    answered_at: datetime
    reason: str | None
    evidence: str | None
    kit_version_id: str | None
    review_url: str | None


class InspectedDeal(NamedTuple):
    """A row of `deal_inspection`."""

    deal_id: str
    deal_name: str | None
    account_name: str | None
    amount: float | None
    stage: str | None
    forecast_category: str | None
    close_date: datetime | None
    owner_name: str | None
    calls: int
    scored_calls: int
    last_call_at: datetime | None
    last_call_id: str | None
    days_since_last_call: float | None
    last_call_url: str | None
    people: list[str]
    prospects: int
    risk_flags: list[str]
    risks: int
    stage_expects: list[str]
    stage_lacks: list[str]
    stage_evidence: float | None
    meddicc_covered: float | None


def by_deal(conversations: Iterable[ScoredCall]) -> dict[str, list[ScoredCall]]:
    """The conversations of each deal, oldest first; calls without a deal are left out."""
    found: defaultdict[str, list[ScoredCall]] = defaultdict(list)
    for conversation in conversations:
        if conversation.deal_id is not None:
            found[conversation.deal_id].append(conversation)
    for calls in found.values():
        calls.sort(key=lambda call: (call.started_at, call.call_id))
    return dict(found)


# --- signals -----------------------------------------------------------------------------------------------------


def deal_signals(calls: Mapping[str, Sequence[ScoredCall]], deals: Iterable[Deal]) -> list[DealSignal]:
    """One row per open deal and brick that was ever answered. Nulls are skipped: they neither rise nor fall."""
    return [
        _signal(deal.deal_id, key, answers)
        for deal in sorted(deals, key=lambda deal: deal.deal_id)
        if deal.outcome is DealOutcome.OPEN
        for key, answers in sorted(_answered(calls.get(deal.deal_id, ())).items())
    ]


def _answered(calls: Sequence[ScoredCall]) -> dict[BrickKey, list[tuple[ScoredCall, BrickAnswer]]]:
    found: defaultdict[BrickKey, list[tuple[ScoredCall, BrickAnswer]]] = defaultdict(list)
    for call in calls:
        for key, answer in call.bricks.items():
            if answer.value is not None:
                found[key].append((call, answer))
    return found


def _signal(deal_id: str, key: BrickKey, answers: list[tuple[ScoredCall, BrickAnswer]]) -> DealSignal:
    call, latest = answers[-1]
    previous = answers[-2][1].value if len(answers) > 1 else None
    numbers = [number for _, answer in answers if (number := as_number(answer.value)) is not None]
    newest = as_number(latest.value)
    before = as_number(previous)
    change = newest - before if newest is not None and before is not None else None
    return DealSignal(
        deal_id,
        *key,
        _kind(latest.value),
        as_text(latest.value),
        newest,
        as_text(previous) if previous is not None else None,
        change,
        _trend(len(answers), change, latest.value, previous),
        slope(numbers) if len(numbers) == len(answers) else None,
        len(answers),
        call.call_id,
        call.started_at,
        latest.reason,
        latest.quotes[0].text if latest.quotes else None,
        call.kit_version_id(key[0]),
        call.review_url,
    )


def _trend(answers: int, change: float | None, latest: Value, previous: Value) -> str:
    if answers < 2:
        return "new"
    if change is None:
        return "flat" if latest == previous else "changed"
    return "up" if change > 0 else "down" if change < 0 else "flat"


def as_number(value: Value) -> float | None:
    """A score as it is, yes as 1 and no as 0; None for everything else."""
    return float(value) if isinstance(value, bool | int | float) else None


def as_text(value: Value) -> str:
    """An answer as a person reads it: yes, no, 65, price, Globex, Initech."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float | int):
        return plain(value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(map(str, value)) or "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _kind(value: Value) -> str:
    if isinstance(value, bool):
        return "bool"
    return "num" if isinstance(value, float | int) else "text" if isinstance(value, str) else "json"


# --- inspection --------------------------------------------------------------------------------------------------


def inspect_deals(
    calls: Mapping[str, Sequence[ScoredCall]],
    deals: Iterable[Deal],
    settings: DealSettings,
    meddicc: Mapping[str, float],
    now: datetime,
) -> list[InspectedDeal]:
    """One row per open deal, also without any call. `meddicc` is the share of elements covered, by deal id."""
    return [
        _inspected(deal, calls.get(deal.deal_id, ()), settings, meddicc.get(deal.deal_id), now)
        for deal in sorted(deals, key=lambda deal: deal.deal_id)
        if deal.outcome is DealOutcome.OPEN
    ]


def _inspected(
    deal: Deal, calls: Sequence[ScoredCall], settings: DealSettings, covered: float | None, now: datetime
) -> InspectedDeal:
    last = calls[-1] if calls else None
    silent_days = max(0.0, (now - last.started_at).total_seconds() / SECONDS_A_DAY) if last else None
    people = sorted({name for call in calls for name in call.prospects})
    expected = _expected(deal, settings)
    lacking = [name for name, condition in expected.items() if not any(_holds(condition, call) for call in calls)]
    risks = [*_risks(deal, calls, settings, silent_days, len(people), now), *(f"stage without {it}" for it in lacking)]
    return InspectedDeal(
        deal.deal_id,
        deal.name,
        deal.account_name,
        deal.amount,
        deal.stage,
        deal.forecast_category,
        deal.close_date,
        last.rep.name if last and last.rep else None,
        len(calls),
        sum(call.is_scored for call in calls),
        last.started_at if last else None,
        last.call_id if last else None,
        round(silent_days, 1) if silent_days is not None else None,
        last.review_url if last else None,
        people,
        len(people),
        risks,
        len(risks),
        list(expected),
        lacking,
        (len(expected) - len(lacking)) / len(expected) if expected else None,
        covered,
    )


def _expected(deal: Deal, settings: DealSettings) -> dict[str, ConditionSettings]:
    stage = (deal.stage or "").strip().casefold()
    return next((expected for name, expected in settings.stages.items() if name.strip().casefold() == stage), {})


def _holds(condition: ConditionSettings, call: ScoredCall) -> bool:
    return evaluate(condition, lambda brick: _value(call.bricks, brick)) is True


def _value(answers: Mapping[BrickKey, BrickAnswer], brick: BrickRef) -> Value:
    answer = answers.get(brick.key)
    return answer.value if answer else None


def _risks(
    deal: Deal,
    calls: Sequence[ScoredCall],
    settings: DealSettings,
    silent_days: float | None,
    prospects: int,
    now: datetime,
) -> list[str]:
    found = []
    if silent_days is None:
        found.append("no call yet")
    elif silent_days >= settings.days_without_call:
        found.append(f"no call for {silent_days:.0f} days")
    if calls and prospects < settings.min_prospects:
        found.append(f"only {prospects} prospect{'s' if prospects != 1 else ''} on its calls")
    if deal.close_date is not None and deal.close_date < now:
        found.append("its close date has passed")
    newest = {key: answers[-1][1] for key, answers in _answered(calls).items()}
    if settings.risks:
        held = [risk.name for risk in settings.risks if _is_known(risk.when, newest)]
    else:
        held = [key[1] for key, answer in sorted(newest.items()) if key[1].startswith("risk") and answer.value is True]
    return found + held


def _is_known(condition: ConditionSettings, newest: Mapping[BrickKey, BrickAnswer]) -> bool:
    return evaluate(condition, lambda brick: _value(newest, brick)) is True
