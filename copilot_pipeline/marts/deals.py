"""Open deals: the newest value and trend of each brick, and the facts and risks that a deal review needs."""

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
from copilot_pipeline.marts.money import NO_CONVERSION, CurrencyConverter
from copilot_pipeline.marts.numbers import plain
from copilot_pipeline.marts.trends import slope
from copilot_pipeline.transform.deal_outcomes import DealOutcome

SECONDS_PER_DAY = 86_400.0

_MISSING = "missing for this stage: {}"


class DealSignalRow(NamedTuple):
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


class DealInspectionRow(NamedTuple):
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
    currency: str | None
    amount_converted: float | None
    converted_currency: str | None


def by_deal(calls: Iterable[ScoredCall]) -> dict[str, list[ScoredCall]]:
    """Group calls by deal, oldest first; calls without a deal are left out."""
    grouped: defaultdict[str, list[ScoredCall]] = defaultdict(list)
    for call in calls:
        if call.deal_id is not None:
            grouped[call.deal_id].append(call)
    for of_deal in grouped.values():
        of_deal.sort(key=lambda call: (call.started_at, call.call_id))
    return dict(grouped)


# --- signals -----------------------------------------------------------------------------------------------------


def deal_signals(calls: Mapping[str, Sequence[ScoredCall]], deals: Iterable[Deal]) -> list[DealSignalRow]:
    """Return one row per open deal and brick with a value. Nulls are skipped: they are not a change."""
    return [
        _signal_row(deal.deal_id, key, answers)
        for deal in sorted(deals, key=lambda deal: deal.deal_id)
        if deal.outcome is DealOutcome.OPEN
        for key, answers in sorted(_answered(calls.get(deal.deal_id, ())).items())
    ]


def _answered(calls: Sequence[ScoredCall]) -> dict[BrickKey, list[tuple[ScoredCall, BrickAnswer]]]:
    answers: defaultdict[BrickKey, list[tuple[ScoredCall, BrickAnswer]]] = defaultdict(list)
    for call in calls:
        for key, answer in call.bricks.items():
            if answer.value is not None:
                answers[key].append((call, answer))
    return answers


def _signal_row(deal_id: str, key: BrickKey, answers: list[tuple[ScoredCall, BrickAnswer]]) -> DealSignalRow:
    call, latest = answers[-1]
    previous = answers[-2][1].value if len(answers) > 1 else None
    numbers = [number for _, answer in answers if (number := as_number(answer.value)) is not None]
    newest = as_number(latest.value)
    before = as_number(previous)
    change = newest - before if newest is not None and before is not None else None
    kit, brick = key
    return DealSignalRow(
        deal_id=deal_id,
        kit=kit,
        brick=brick,
        value_kind=_kind(latest.value),
        latest=as_text(latest.value),
        latest_num=newest,
        previous=as_text(previous) if previous is not None else None,
        change=change,
        trend=_trend(len(answers), change, latest.value, previous),
        slope=slope(numbers) if len(numbers) == len(answers) else None,
        answers=len(answers),
        call_id=call.call_id,
        answered_at=call.started_at,
        reason=latest.reason,
        evidence=latest.quotes[0].text if latest.quotes else None,
        kit_version_id=call.kit_version_id(kit),
        review_url=call.review_url,
    )


def _trend(answers: int, change: float | None, latest: Value, previous: Value) -> str:
    if answers < 2:
        return "new"
    if change is None:
        return "flat" if latest == previous else "changed"
    return "up" if change > 0 else "down" if change < 0 else "flat"


def as_number(value: Value) -> float | None:
    """Return a score unchanged, yes as 1, no as 0, and None for other values."""
    return float(value) if isinstance(value, bool | int | float) else None


def as_text(value: Value) -> str:
    """Format a value for people: `yes`, `no`, `65`, `price`, `Globex, Initech`."""
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
    converter: CurrencyConverter = NO_CONVERSION,
) -> list[DealInspectionRow]:
    """Return one row per open deal, with or without calls. `meddicc` is the share of elements covered, by deal id."""
    return [
        _inspection_row(deal, calls.get(deal.deal_id, ()), settings, meddicc.get(deal.deal_id), now, converter)
        for deal in sorted(deals, key=lambda deal: deal.deal_id)
        if deal.outcome is DealOutcome.OPEN
    ]


def _inspection_row(
    deal: Deal,
    calls: Sequence[ScoredCall],
    settings: DealSettings,
    covered: float | None,
    now: datetime,
    converter: CurrencyConverter,
) -> DealInspectionRow:
    last = calls[-1] if calls else None
    days_since_last_call = max(0.0, (now - last.started_at).total_seconds() / SECONDS_PER_DAY) if last else None
    people = sorted({name for call in calls for name in call.prospects})
    expected, lacking = _expected_and_lacking(deal, calls, settings)
    risks = [*_risks(deal, calls, settings, days_since_last_call, len(people), now), *map(_MISSING.format, lacking)]
    return DealInspectionRow(
        deal_id=deal.deal_id,
        deal_name=deal.name,
        account_name=deal.account_name,
        amount=deal.amount,
        currency=deal.currency,
        amount_converted=converter.convert(deal.amount, deal.currency, now.date()),
        converted_currency=converter.target,
        stage=deal.stage,
        forecast_category=deal.forecast_category,
        close_date=deal.close_date,
        owner_name=last.rep.name if last and last.rep else None,
        calls=len(calls),
        scored_calls=sum(call.is_scored for call in calls),
        last_call_at=last.started_at if last else None,
        last_call_id=last.call_id if last else None,
        days_since_last_call=round(days_since_last_call, 1) if days_since_last_call is not None else None,
        last_call_url=last.review_url if last else None,
        people=people,
        prospects=len(people),
        risk_flags=risks,
        risks=len(risks),
        stage_expects=expected,
        stage_lacks=lacking,
        stage_evidence=(len(expected) - len(lacking)) / len(expected) if expected else None,
        meddicc_covered=covered,
    )


def _expected_and_lacking(
    deal: Deal, calls: Sequence[ScoredCall], settings: DealSettings
) -> tuple[list[str], list[str]]:
    """Return the names of what the deal's stage expects, and of what of it no call shows."""
    expected = _expected(deal, settings)
    lacking = [
        name for name, condition in expected.items() if not any(_is_true(condition, call.bricks) for call in calls)
    ]
    return list(expected), lacking


def _expected(deal: Deal, settings: DealSettings) -> dict[str, ConditionSettings]:
    stage = (deal.stage or "").strip().casefold()
    return next((expected for name, expected in settings.stages.items() if name.strip().casefold() == stage), {})


def _is_true(condition: ConditionSettings, answers: Mapping[BrickKey, BrickAnswer]) -> bool:
    return evaluate(condition, lambda brick: _value(answers, brick)) is True


def _value(answers: Mapping[BrickKey, BrickAnswer], brick: BrickRef) -> Value:
    answer = answers.get(brick.key)
    return answer.value if answer else None


def _risks(
    deal: Deal,
    calls: Sequence[ScoredCall],
    settings: DealSettings,
    days_since_last_call: float | None,
    prospects: int,
    now: datetime,
) -> list[str]:
    risks = []
    if days_since_last_call is None:
        risks.append("no call yet")
    elif days_since_last_call >= settings.days_without_call:
        risks.append(f"no call for {days_since_last_call:.0f} days")
    if calls and prospects < settings.min_prospects:
        risks.append(f"only {prospects} prospect{'s' if prospects != 1 else ''} on all calls")
    if deal.close_date is not None and deal.close_date < now:
        risks.append("close date has passed")
    newest = {key: answers[-1][1] for key, answers in _answered(calls).items()}
    if settings.risks:
        flagged = [risk.name for risk in settings.risks if _is_true(risk.when, newest)]
    else:
        flagged = [
            key[1] for key, answer in sorted(newest.items()) if key[1].startswith("risk") and answer.value is True
        ]
    return risks + flagged
