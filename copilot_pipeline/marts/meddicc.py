"""MEDDICC coverage: elements covered on each call, and their sums by deal, rep, team and week."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from copilot_pipeline.config.marts import MeddiccSettings
from copilot_pipeline.marts.brick_roles import Element, Scale, level, scale_of
from copilot_pipeline.marts.intervals import share_of
from copilot_pipeline.marts.model import BrickAnswer, ScoredCall, Value, items_of
from copilot_pipeline.marts.negation import is_affirmed


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


def meddicc_coverage(
    calls: Iterable[ScoredCall],
    elements: Mapping[str, Element],
    settings: MeddiccSettings,
    highest: Mapping[str, float],
) -> Iterator[CoverageRow]:
    """Yield one row per element and call that the element's kit scored.

    An element without a value is not covered; its level is None, not 0. `highest` are the highest scores by element,
    which tell the scale.
    """
    scales = {name: scale_of(element.scale, highest.get(name)) for name, element in elements.items()}
    for call in calls:
        for name, element in elements.items():
            if call.is_scored_by(element.brick[0]):
                answer = call.bricks.get(element.brick)
                yield _coverage_row(call, name, element, answer, scales[name], settings.covered_from)


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
        is_covered=is_covered(value, element, scale, covered_from),
        is_answered=value is not None,
        level=_level(value, scale),
        confidence=answer.confidence if answer else None,
        evidence=answer.quotes[0].text if answer and answer.quotes else None,
        review_url=call.review_url,
    )


def is_covered(value: Value, element: Element, scale: Scale, covered_from: float) -> bool:
    """Return whether a value covers an element; no value does not. `covered_from` is a share of the scale."""
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


@dataclass(slots=True)
class _Sum:
    """Calls of a group and element."""

    n: int = 0
    covered: int = 0
    levels: float = 0.0
    n_level: int = 0


_ByElement = defaultdict[str, _Sum]


class CoverageSums:
    """Coverage summed over all calls and by deal, rep, team (manager) and week, row by row.

    Calls without a deal, rep or manager are missing from that grain only.
    """

    def __init__(self) -> None:
        self._sums: defaultdict[tuple[str, str], _ByElement] = defaultdict(lambda: defaultdict(_Sum))
        self._rep_names: dict[str, str] = {}

    def adding(self, coverage: Iterable[CoverageRow]) -> Iterator[CoverageRow]:
        """Yield the rows and add them."""
        call_id, groups = None, list[_ByElement]()
        for row in coverage:
            if row.call_id != call_id:  # the rows of a call follow each other and are of the same groups
                call_id, groups = row.call_id, [self._sums[group] for group in _groups(row)]
                if row.rep_id and row.rep_name:
                    self._rep_names[row.rep_id] = row.rep_name
            for of_group in groups:
                summed = of_group[row.element]
                summed.n += 1
                summed.covered += row.is_covered
                if row.level is not None:
                    summed.levels += row.level
                    summed.n_level += 1
            yield row

    def rows(self, names: Mapping[str, str]) -> list[SummaryRow]:
        """Return the sums. `names` are those of deals, reps and managers, by id."""
        known = {**self._rep_names, **names}
        return [
            _summary_row(
                grain, grain_id, known.get(grain_id) if grain in ("deal", "rep", "team") else None, element, summed
            )
            for (grain, grain_id), of_group in sorted(self._sums.items(), key=lambda item: item[0])
            for element, summed in sorted(of_group.items(), key=lambda item: item[0])
        ]


def _groups(row: CoverageRow) -> Iterator[tuple[str, str]]:
    yield "all", "all"
    yield "week", row.week.isoformat()
    for grain, grain_id in (("deal", row.deal_id), ("rep", row.rep_id), ("team", row.manager_id)):
        if grain_id is not None:
            yield grain, grain_id


def _summary_row(grain: str, grain_id: str, grain_name: str | None, element: str, summed: _Sum) -> SummaryRow:
    share = share_of(summed.covered, summed.n)
    return SummaryRow(
        grain=grain,
        grain_id=grain_id,
        grain_name=grain_name,
        element=element,
        n=summed.n,
        covered=summed.covered,
        share=share.share,
        share_low=share.low,
        share_high=share.high,
        mean_level=summed.levels / summed.n_level if summed.n_level else None,
        n_level=summed.n_level,
    )
