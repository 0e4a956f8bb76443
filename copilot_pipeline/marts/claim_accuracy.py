"""The accuracy of claims: checked calls without a flagged claim, by rep, product and week."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from copilot_pipeline.config.marts import ClaimSettings
from copilot_pipeline.marts.claim_rates import Exposure, Rate, rates
from copilot_pipeline.marts.claims import (
    INACCURATE,
    OUTDATED,
    ROADMAP_LEAK,
    ClaimKind,
    ClaimRow,
    configured_value,
)
from copilot_pipeline.marts.intervals import share_of
from copilot_pipeline.marts.model import ScoredCall, items_of

SECONDS_PER_HOUR = 3600.0


class AccuracyRow(NamedTuple):
    """A row of `claim_accuracy`."""

    grain: str
    grain_id: str
    grain_name: str | None
    n: int
    accurate: int
    share: float | None
    share_low: float | None
    share_high: float | None
    claims: int
    inaccurate: int
    roadmap_leaks: int
    outdated_competitive: int
    quotes_not_found: int
    hours: float
    claims_per_hour: float | None
    claims_per_hour_shrunk: float | None
    claims_per_hour_low: float | None
    claims_per_hour_high: float | None


class _Counts:
    """Calls and claims of one group."""

    def __init__(self) -> None:
        self.name: str | None = None
        self.calls = 0
        self.accurate = 0
        self.timed = Exposure()  # calls whose duration is known
        self.claims: list[ClaimRow] = []


def claim_accuracy(
    calls: Iterable[tuple[ScoredCall, Sequence[ClaimRow]]],
    kinds: Sequence[tuple[str, ClaimKind]],
    settings: ClaimSettings,
) -> list[AccuracyRow]:
    """Return the share of checked calls without a claim, in total and by rep, product and week.

    `calls` are with their claims. A call is checked if at least one flagging brick has a value; null does not count as
    checked.
    """
    groups: defaultdict[tuple[str, str], _Counts] = defaultdict(_Counts)
    for call, flagged in calls:
        answers = [call.bricks.get(kind.brick) for _, kind in kinds]
        if not any(answer is not None and answer.value is not None for answer in answers):
            continue
        for grain, grain_id, name, of_grain in _grains(call, flagged, settings):
            counts = groups[grain, grain_id]
            counts.name = counts.name or name
            counts.calls += 1
            counts.accurate += not of_grain
            counts.claims += of_grain
            if call.duration_s:
                counts.timed.add_call(len(of_grain), call.duration_s / SECONDS_PER_HOUR)
    return [row for grain in sorted({grain for grain, _ in groups}) for row in _accuracy_rows(grain, groups)]


def _accuracy_rows(grain: str, groups: Mapping[tuple[str, str], _Counts]) -> Iterator[AccuracyRow]:
    of_grain = [(grain_id, counts) for (of_group, grain_id), counts in sorted(groups.items()) if of_group == grain]
    of_groups = rates([counts.timed for _, counts in of_grain])
    for (grain_id, counts), rate in zip(of_grain, of_groups, strict=True):
        yield _accuracy_row(grain, grain_id, counts, rate)


def _grains(
    call: ScoredCall, flagged: Sequence[ClaimRow], settings: ClaimSettings
) -> Iterator[tuple[str, str, str | None, Sequence[ClaimRow]]]:
    yield "all", "all", None, flagged
    yield "week", call.week.isoformat(), None, flagged
    for rep in call.reps():
        yield "rep", rep.rep_id, rep.name, [claim for claim in flagged if claim.rep_id == rep.rep_id]
    value = configured_value(call, settings.product)
    products = {str(item) for item in items_of(value) if item} | {claim.product for claim in flagged if claim.product}
    for product in sorted(products):
        yield "product", product, product, [claim for claim in flagged if claim.product in (product, None)]


def _accuracy_row(grain: str, grain_id: str, counts: _Counts, rate: Rate) -> AccuracyRow:
    of_kind: defaultdict[str, int] = defaultdict(int)
    for claim in counts.claims:
        of_kind[claim.kind] += 1
    share = share_of(counts.accurate, counts.calls)
    return AccuracyRow(
        grain=grain,
        grain_id=grain_id,
        grain_name=counts.name,
        n=counts.calls,
        accurate=counts.accurate,
        share=share.share,
        share_low=share.low,
        share_high=share.high,
        claims=len(counts.claims),
        inaccurate=of_kind[INACCURATE],
        roadmap_leaks=of_kind[ROADMAP_LEAK],
        outdated_competitive=of_kind[OUTDATED],
        hours=counts.timed.hours,
        claims_per_hour=rate.per_hour,
        claims_per_hour_shrunk=rate.shrunk,
        claims_per_hour_low=rate.low,
        claims_per_hour_high=rate.high,
        quotes_not_found=sum(claim.match == "not found" for claim in counts.claims),
    )
