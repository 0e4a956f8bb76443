"""The key figures of the week, each with its base and the value of the week before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from copilot_pipeline.marts.intervals import percent
from copilot_pipeline.report.formatting import count_of
from copilot_pipeline.report.model import Accuracy, Report


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
    by_week = {one.week: one for one in report.volume}
    now, before = by_week.get(report.week), by_week.get(report.week_before)
    if now is None:
        return
    yield Kpi("data", "Calls", f"{now.calls:,}", (f"{before.calls:,} the week before",) if before else ())
    if now.calls:
        details = (f"{now.scored:,} of {count_of(now.calls, 'call')}",)
        yield Kpi("data", "Scored", percent(now.scored / now.calls), details)


def _coverage(report: Report) -> Iterator[Kpi]:
    now, before = _covered(report, report.week), _covered(report, report.week_before)
    if now is not None:
        earlier = (f"{percent(before[0] / before[1])} of {before[1]:,} the week before",) if before else ()
        details = (f"{now[0]:,} of {now[1]:,} elements", *earlier)
        yield Kpi("coverage", "MEDDICC coverage", percent(now[0] / now[1]), details)


def _covered(report: Report, week: date) -> tuple[int, int] | None:
    """Return the covered and all elements of the scored calls of a week; None without scored calls."""
    of_week = [one for one in report.coverage_by_week if one.group == week.isoformat()]
    if not of_week:
        return None
    return sum(one.covered for one in of_week), sum(one.n for one in of_week)


def _coaching(report: Report) -> Iterator[Kpi]:
    if report.skill_series or report.regressions:
        ongoing = [regression for regression in report.regressions if regression.recovered_at is None]
        new = sum(regression.detected_at.date() >= report.week for regression in ongoing)
        since = f"{new:,} new since {report.week.day} {report.week:%b}"
        yield Kpi("coaching", "Skill regressions", f"{len(ongoing):,}", (since,))


def _claims(report: Report) -> Iterator[Kpi]:
    checked = _checked(report, report.week)
    if checked is not None:
        flagged = checked.n - checked.accurate
        before = _checked(report, report.week_before)
        earlier = (f"{before.claims:,} the week before",) if before else ()
        details = (f"on {flagged:,} of {count_of(checked.n, 'checked call')}", *earlier)
        yield Kpi("claims", "Claims flagged", f"{checked.claims:,}", details)


def _checked(report: Report, week: date) -> Accuracy | None:
    return next((one for one in report.accuracy if one.week == week), None)


def _deals(report: Report) -> Iterator[Kpi]:
    deals = report.open_deals
    if deals.deals:
        details = (f"of {count_of(deals.deals, 'open deal')}",)
        yield Kpi("deals", "Deals at risk", f"{deals.with_risks:,}", details)
