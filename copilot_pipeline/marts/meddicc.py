"""MEDDICC coverage: elements covered on each call, summed by deal, rep, team and week, and compared with outcomes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

import numpy as np
from scipy.stats import fisher_exact

from copilot_pipeline.config.marts import MeddiccSettings
from copilot_pipeline.marts.brick_roles import Element, Scale, level, scale_of
from copilot_pipeline.marts.intervals import percent, share_of
from copilot_pipeline.marts.model import BrickAnswer, Deal, ScoredCall, Value, items_of
from copilot_pipeline.marts.negation import is_affirmed
from copilot_pipeline.marts.outcomes import before_close
from copilot_pipeline.transform.deal_outcomes import DealOutcome


class CoverageRow(NamedTuple):
    """A row of `meddicc_coverage`."""

    call_id: str
    element: str
    call_date: date
    week: date
    started_at: datetime
    deal_id: str | None
    rep_id: str | None
    rep_name: str | None
    manager_id: str | None
    kit: str
    brick: str
    kit_version_id: str | None
    is_covered: bool
    is_answered: bool
    level: float | None
    confidence: float | None
    evidence: str | None
    review_url: str | None


class SummaryRow(NamedTuple):
    """A row of `meddicc_summary`."""

    grain: str
    grain_id: str
    grain_name: str | None
    element: str
    n: int
    covered: int
    share: float | None
    share_low: float | None
    share_high: float | None
    mean_level: float | None
    n_level: int


class OutcomeRow(NamedTuple):
    """A row of `meddicc_outcomes`."""

    element: str
    outcome: str
    n: int
    uncovered: int
    share: float | None
    share_low: float | None
    share_high: float | None
    p_value: float | None
    sentence: str


def meddicc_coverage(
    calls: Iterable[ScoredCall], elements: Mapping[str, Element], settings: MeddiccSettings
) -> list[CoverageRow]:
    """Return one row per element and call that the element's kit scored.

    An element without a value is not covered; its level is None, not 0.
    """
    scored = [
        (call, name, element, call.bricks.get(element.brick))
        for call in calls
        for name, element in elements.items()
        if call.is_scored_by(element.brick[0])
    ]
    scales = _scales(elements, ((name, answer) for _, name, _, answer in scored))
    return [
        _coverage_row(call, name, element, answer, scales[name], settings.covered_from)
        for call, name, element, answer in scored
    ]


def _scales(elements: Mapping[str, Element], answers: Iterable[tuple[str, BrickAnswer | None]]) -> dict[str, Scale]:
    highest: dict[str, float] = {}
    for name, answer in answers:
        number = _number(answer.value) if answer else None
        if number is not None:
            highest[name] = max(number, highest.get(name, number))
    return {name: scale_of(element.scale, highest.get(name)) for name, element in elements.items()}


def _coverage_row(
    call: ScoredCall, name: str, element: Element, answer: BrickAnswer | None, scale: Scale, covered_from: float
) -> CoverageRow:
    value = answer.value if answer else None
    kit, brick = element.brick
    rep = call.rep
    return CoverageRow(
        call_id=call.call_id,
        element=name,
        call_date=call.call_date,
        week=call.week,
        started_at=call.started_at,
        deal_id=call.deal_id,
        rep_id=rep.rep_id if rep else None,
        rep_name=rep.name if rep else None,
        manager_id=rep.manager_id if rep else None,
        kit=kit,
        brick=brick,
        kit_version_id=call.kit_version_id(kit),
        is_covered=_is_covered(value, element, scale, covered_from),
        is_answered=value is not None,
        level=_level(value, scale),
        confidence=answer.confidence if answer else None,
        evidence=answer.quotes[0].text if answer and answer.quotes else None,
        review_url=call.review_url,
    )


def _is_covered(value: Value, element: Element, scale: Scale, covered_from: float) -> bool:
    if value is None:
        return False
    if element.one_of is not None:
        return any(value == one and isinstance(value, bool) is isinstance(one, bool) for one in element.one_of)
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        if element.covered_from is not None:
            return value >= element.covered_from
        return level(value, scale) >= covered_from
    if isinstance(value, list | dict):
        names = [str(item).strip().casefold() for item in items_of(value)]
        return element.contains.strip().casefold() in names if element.contains else bool(names)
    if element.contains is not None:
        return element.contains.strip().casefold() in value.casefold()
    return is_affirmed(value)


def _level(value: Value, scale: Scale) -> float | None:
    if isinstance(value, bool):
        return float(value)
    number = _number(value)
    return level(number, scale) if number is not None else None


def _number(value: Value) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


# --- sums --------------------------------------------------------------------------------------------------------


def meddicc_summary(coverage: Iterable[CoverageRow], names: Mapping[str, str]) -> list[SummaryRow]:
    """Sum coverage over all calls and by deal, rep, team (manager) and week.

    Calls without a deal, rep or manager are missing from that grain only. `names` are those of deals, reps and
    managers, by id.
    """
    groups: defaultdict[tuple[str, str, str], list[CoverageRow]] = defaultdict(list)
    rep_names: dict[str, str] = {}
    for row in coverage:
        if row.rep_id and row.rep_name:
            rep_names[row.rep_id] = row.rep_name
        for grain, grain_id in _grains(row):
            groups[grain, grain_id, row.element].append(row)
    all_names = {**rep_names, **names}
    return [
        _summary_row(
            grain, grain_id, all_names.get(grain_id) if grain in ("deal", "rep", "team") else None, element, rows
        )
        for (grain, grain_id, element), rows in sorted(groups.items())
    ]


def _grains(row: CoverageRow) -> Iterator[tuple[str, str]]:
    yield "all", "all"
    yield "week", row.week.isoformat()
    for grain, grain_id in (("deal", row.deal_id), ("rep", row.rep_id), ("team", row.manager_id)):
        if grain_id is not None:
            yield grain, grain_id


def _summary_row(
    grain: str, grain_id: str, grain_name: str | None, element: str, rows: Sequence[CoverageRow]
) -> SummaryRow:
    covered = sum(row.is_covered for row in rows)
    levels = [row.level for row in rows if row.level is not None]
    share = share_of(covered, len(rows))
    return SummaryRow(
        grain=grain,
        grain_id=grain_id,
        grain_name=grain_name,
        element=element,
        n=len(rows),
        covered=covered,
        share=share.share,
        share_low=share.low,
        share_high=share.high,
        mean_level=sum(levels) / len(levels) if levels else None,
        n_level=len(levels),
    )


# --- coverage by deal outcome ------------------------------------------------------------------------------------


def meddicc_outcomes(coverage: Iterable[CoverageRow], deals: Iterable[Deal]) -> list[OutcomeRow]:
    """Return, per element and outcome, the deals in which no call before the close covered the element.

    Each deal with at least one such call counts once, however many calls it has.
    """
    by_id = {deal.deal_id: deal for deal in deals}
    of_deal: defaultdict[tuple[str, str], list[CoverageRow]] = defaultdict(list)
    for row in coverage:
        if row.deal_id in by_id:
            of_deal[row.element, row.deal_id].append(row)
    counts: defaultdict[str, dict[DealOutcome, tuple[int, int]]] = defaultdict(dict)
    for (element, deal_id), rows in of_deal.items():
        before = before_close(by_id[deal_id], rows)
        if before:
            outcome = by_id[deal_id].outcome
            n, uncovered = counts[element].get(outcome, (0, 0))
            counts[element][outcome] = (n + 1, uncovered + (not any(row.is_covered for row in before)))
    return [row for element in sorted(counts) for row in _outcome_rows(element, counts[element])]


def _outcome_rows(element: str, counts: Mapping[DealOutcome, tuple[int, int]]) -> Iterator[OutcomeRow]:
    p_value = _p_value(counts.get(DealOutcome.WON, (0, 0)), counts.get(DealOutcome.LOST, (0, 0)))
    for outcome in DealOutcome:
        if outcome not in counts:
            continue
        n, uncovered = counts[outcome]
        share = share_of(uncovered, n)
        yield OutcomeRow(
            element=element,
            outcome=outcome.value,
            n=n,
            uncovered=uncovered,
            share=share.share,
            share_low=share.low,
            share_high=share.high,
            p_value=p_value if outcome is not DealOutcome.OPEN else None,
            sentence=(
                f"Of {n:,} {outcome.value} deal{'s' if n != 1 else ''} {percent(uncovered / n)} ({uncovered:,}, 95 % "
                f"interval {percent(share.low or 0)} to {percent(share.high or 0)}) had no coverage of "
                f"{element.replace('_', ' ')}."
            ),
        )


def _p_value(won: tuple[int, int], lost: tuple[int, int]) -> float | None:
    """Return Fisher's exact test of coverage against the outcome; None if there are no won or no lost deals."""
    if not won[0] or not lost[0]:
        return None
    table = np.array([[won[1], won[0] - won[1]], [lost[1], lost[0] - lost[1]]])
    return float(fisher_exact(table).pvalue)
