"""MEDDICC coverage: elements covered on each call, and their sums by deal, rep, team and week."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import product
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from copilot_pipeline.config.marts import MeddiccSettings
from copilot_pipeline.load.tables import MEDDICC_COVERAGE
from copilot_pipeline.marts.brick_roles import Element, Scale, level, scale_of
from copilot_pipeline.marts.call_columns import CallColumns, Numbers, encoded, taken
from copilot_pipeline.marts.intervals import share_of
from copilot_pipeline.marts.model import Value, items_of
from copilot_pipeline.marts.negation import is_affirmed

_NAMED = ("deal", "rep", "team")
_GRAINS = {"week": "week", "deal": "deal_id", "rep": "rep_id", "team": "manager_id"}


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
    calls: Iterable[CallColumns],
    elements: Mapping[str, Element],
    settings: MeddiccSettings,
    highest: Mapping[str, float],
) -> Iterator[pa.Table]:
    """Yield tables with one row per element and call that the element's kit scored.

    An element without a value is not covered; its level is None, not 0. `highest` are the highest scores by element,
    which tell the scale.
    """
    scales = {name: scale_of(element.scale, highest.get(name)) for name, element in elements.items()}
    for chunk in calls:
        tables = [
            _coverage(chunk, name, element, scales[name], settings.covered_from)
            for name, element in elements.items()
            if element.brick[0] in chunk.kits
        ]
        if tables:
            yield pa.concat_tables(tables)


def _coverage(chunk: CallColumns, name: str, element: Element, scale: Scale, covered_from: float) -> pa.Table:
    kit, brick = element.brick
    of_kit, of_brick = chunk.kits[kit], chunk.bricks[element.brick]
    rows = np.flatnonzero(of_kit.scored)
    values = [*of_brick.values, None]  # the last one, at -1, is that of calls without a score
    codes = of_brick.codes[rows]
    columns = {
        **{column: taken(chunk.calls[column], rows) for column in chunk.calls.column_names},
        "element": pa.repeat(name, len(rows)),
        "kit": pa.repeat(kit, len(rows)),
        "brick": pa.repeat(brick, len(rows)),
        "kit_version_id": taken(of_kit.version_ids, rows),
        "is_covered": np.array([is_covered(value, element, scale, covered_from) for value in values])[codes],
        "is_answered": np.array([value is not None for value in values])[codes],
        "level": taken(pa.array([_level(value, scale) for value in values], pa.float64()), codes % len(values)),
        "confidence": taken(of_brick.confidences, rows),
        "evidence": taken(of_brick.quotes, rows),
    }
    return pa.table(columns, schema=MEDDICC_COVERAGE.arrow_schema)


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


class Coverage:
    """The columns of `meddicc_coverage` that its sums need, of all calls: small, because equal texts are one."""

    def __init__(self) -> None:
        self._batches: list[pa.Table] = []

    def adding(self, batches: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Yield rows of `meddicc_coverage` and keep these columns."""
        for rows in batches:
            kept = {name: rows[name].dictionary_encode() for name in ("element", *_GRAINS.values(), "rep_name")}
            others = {name: rows[name] for name in ("started_at", "is_covered", "level")}
            self._batches.append(pa.table({**kept, **others}))
            yield rows

    def table(self) -> pa.Table | None:
        """Return the columns; None without rows."""
        return pa.concat_tables(self._batches).unify_dictionaries().combine_chunks() if self._batches else None


def coverage_sums(coverage: pa.Table | None, names: Mapping[str, str]) -> list[SummaryRow]:
    """Return coverage summed over all calls and by deal, rep, team (manager) and week.

    Calls without a deal, rep or manager are missing from that grain only. `names` are those of deals, reps and
    managers, by id.
    """
    if coverage is None:
        return []
    known = {**_rep_names(coverage), **names}
    elements, of_rows = encoded(coverage["element"])
    everything = ["all"], np.zeros(len(of_rows), dtype=np.int64)
    grains = {"all": everything, **{grain: encoded(coverage[name]) for grain, name in _GRAINS.items()}}
    return [
        _summary_row(grain, group, known.get(group) if grain in _NAMED else None, element, *sums)
        for grain, (groups, of_group) in sorted(grains.items())
        for group, element, sums in _summed(coverage, groups, of_group, elements, of_rows)
    ]


def _rep_names(coverage: pa.Table) -> dict[str, str]:
    """Return the newest name of each rep."""
    (reps, of_reps), (names, of_names) = encoded(coverage["rep_id"]), encoded(coverage["rep_name"])
    newest = np.full(len(reps) + 1, -1)
    newest[np.where(of_names >= 0, of_reps, -1)] = of_names
    return {rep: names[name] for rep, name in zip(reps, newest.tolist(), strict=False) if name >= 0}


def _summed(
    coverage: pa.Table, groups: Sequence[str], of_group: Numbers, elements: Sequence[str], of_element: Numbers
) -> Iterator[tuple[str, str, tuple[int, int, float, int]]]:
    """Yield group, element, and the numbers of calls, covered calls, sum of levels, and calls with a level."""
    at, size = of_group * len(elements) + of_element, len(groups) * len(elements)
    is_known = of_group >= 0
    has_level = is_known & coverage["level"].is_valid().to_numpy()
    levels = coverage["level"].to_numpy()[has_level]
    columns = (
        np.bincount(at[is_known], minlength=size),
        np.bincount(at[is_known & coverage["is_covered"].to_numpy()], minlength=size),
        np.bincount(at[has_level], weights=levels, minlength=size),
        np.bincount(at[has_level], minlength=size),
    )
    sums = zip(*(column.tolist() for column in columns), strict=True)
    for (group, element), found in sorted(zip(product(groups, elements), sums, strict=True)):
        if found[0]:
            yield group, element, found


def _summary_row(
    grain: str, grain_id: str, grain_name: str | None, element: str, n: int, covered: int, levels: float, n_level: int
) -> SummaryRow:
    share = share_of(covered, n)
    return SummaryRow(
        grain=grain,
        grain_id=grain_id,
        grain_name=grain_name,
        element=element,
        n=n,
        covered=covered,
        share=share.share,
        share_low=share.low,
        share_high=share.high,
        mean_level=levels / n_level if n_level else None,
        n_level=n_level,
    )
