"""The key figures of the week, each with its base and the value of the week before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from copilot_pipeline.marts.intervals import percent, share_of
from copilot_pipeline.report.figures import (
    accuracy_before,
    accuracy_of,
    coverage_before,
    coverage_of,
    new_regressions,
    ongoing_regressions,
    volume_before,
    volume_of,
)
from copilot_pipeline.report.formatting import count_of
from copilot_pipeline.report.model import Report


@dataclass(frozen=True, slots=True)
class Kpi:
    """A figure that links to its section."""

    section: str
    label: str
    number: str
    details: tuple[str, ...]


def kpis(report: Report) -> list[Kpi]:
    """Return the figures of the week; none for what was not measured."""
    return [*_calls(report), *_coverage(report), *_coaching(report), *_claims(report), *_deals(report)]


def _calls(report: Report) -> Iterator[Kpi]:
    now, before = volume_of(report, report.week), volume_before(report)
    if now is None:
        return
    part = () if report.is_complete else ("part of a week",)
    yield Kpi("data", "Calls", f"{now.calls:,}", (*part, *((f"{before.calls:,} the week before",) if before else ())))
    if now.calls:
        details = (f"{now.scored:,} of {count_of(now.calls, 'call')}", _interval(now.scored, now.calls))
        yield Kpi("data", "Scored", percent(now.scored / now.calls), details)


def _coverage(report: Report) -> Iterator[Kpi]:
    now, before = coverage_of(report, report.week), coverage_before(report)
    if now is not None:
        earlier = (
            (f"{percent(before.covered / before.n)} of {before.n:,} the week before", _interval(*before))
            if before
            else ()
        )
        details = (f"{now.covered:,} of {now.n:,} elements", _interval(*now), *earlier)
        yield Kpi("coverage", "MEDDICC coverage", percent(now.covered / now.n), details)


def _interval(count: int, n: int) -> str:
    share = share_of(count, n)
    return f"95 % interval {(share.low or 0) * 100:.0f} to {percent(share.high or 0)}"


def _coaching(report: Report) -> Iterator[Kpi]:
    if report.skill_series or report.regressions:
        new = (f"{len(new_regressions(report)):,} new this week",)
        yield Kpi("coaching", "Skill regressions", f"{len(ongoing_regressions(report)):,}", new)


def _claims(report: Report) -> Iterator[Kpi]:
    checked, before = accuracy_of(report, report.week), accuracy_before(report)
    if checked is not None:
        earlier = (f"{before.claims:,} the week before",) if before else ()
        details = (f"on {checked.flagged:,} of {count_of(checked.n, 'checked call')}", *earlier)
        yield Kpi("claims", "Claims flagged", f"{checked.claims:,}", details)


def _deals(report: Report) -> Iterator[Kpi]:
    deals = report.open_deals
    if deals.deals:
        details = (f"of {count_of(deals.deals, 'open deal')}",)
        yield Kpi("deals", "Deals at risk", f"{deals.with_risks:,}", details)
