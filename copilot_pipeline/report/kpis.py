"""The week at a glance: a few numbers, each with what it is of and what it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from copilot_pipeline.marts.intervals import percent
from copilot_pipeline.report.formatting import some
from copilot_pipeline.report.model import Accuracy, Report


@dataclass(frozen=True, slots=True)
class Tile:
    """A number that leads to its section."""

    section: str
    label: str
    number: str
    details: tuple[str, ...]


def kpis(report: Report) -> list[Tile]:
    """What there is to say of the week; nothing of what was never looked at."""
    return [*_calls(report), *_coverage(report), *_coaching(report), *_claims(report), *_deals(report)]


def _calls(report: Report) -> Iterator[Tile]:
    by_week = {one.week: one for one in report.volume}
    now, before = by_week.get(report.week), by_week.get(report.week_before)
    if now is None:
        return
    yield Tile("data", "Calls", f"{now.calls:,}", (f"{before.calls:,} the week before",) if before else ())
    if now.calls:
        yield Tile("data", "Scored", percent(now.scored / now.calls), (f"{now.scored:,} of {some(now.calls, 'call')}",))


def _coverage(report: Report) -> Iterator[Tile]:
    now, before = _covered(report, report.week), _covered(report, report.week_before)
    if now is not None:
        was = (f"{percent(before[0] / before[1])} of {before[1]:,} the week before",) if before else ()
        details = (f"{now[0]:,} of {now[1]:,} elements", *was)
        yield Tile("coverage", "MEDDICC coverage", percent(now[0] / now[1]), details)


def _covered(report: Report, week: date) -> tuple[int, int] | None:
    """Elements covered in a week, of all those that were looked for on its calls."""
    ours = [one for one in report.coverage_by_week if one.group == week.isoformat()]
    if not ours:
        return None
    return sum(one.covered for one in ours), sum(one.n for one in ours)


def _coaching(report: Report) -> Iterator[Tile]:
    if report.courses or report.slides:
        lasting = [slide for slide in report.slides if slide.recovered_at is None]
        new = sum(slide.detected_at.date() >= report.week for slide in lasting)
        since = f"{new:,} new since {report.week.day} {report.week:%b}"
        yield Tile("coaching", "Skill regressions", f"{len(lasting):,}", (since,))


def _claims(report: Report) -> Iterator[Tile]:
    checked = _checked(report, report.week)
    if checked is not None:
        flagged = checked.n - checked.accurate
        before = _checked(report, report.week_before)
        was = (f"{before.claims:,} the week before",) if before else ()
        details = (f"on {flagged:,} of {some(checked.n, 'checked call')}", *was)
        yield Tile("claims", "Claims flagged", f"{checked.claims:,}", details)


def _checked(report: Report, week: date) -> Accuracy | None:
    return next((one for one in report.accuracy if one.week == week), None)


def _deals(report: Report) -> Iterator[Tile]:
    deals = report.open_deals
    if deals.deals:
        yield Tile("deals", "Deals at risk", f"{deals.with_risks:,}", (f"of {some(deals.deals, 'open deal')}",))
