"""Render a report as one HTML file without scripts or network requests."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, date, datetime
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from copilot_pipeline.config.urls import LINK_HOSTS, is_allowed_link
from copilot_pipeline.days import day_in_text
from copilot_pipeline.marts.intervals import percent, share_of
from copilot_pipeline.marts.money import formatted
from copilot_pipeline.report import charts
from copilot_pipeline.report.actions import count_of_reps
from copilot_pipeline.report.charts.style import FONTS
from copilot_pipeline.report.coverage_tables import coverage_by_weeks, coverage_tables, mapped
from copilot_pipeline.report.figures import ongoing_regressions
from copilot_pipeline.report.formatting import (
    count_of,
    display_name,
    in_meddicc_order,
    labelled,
    month_label,
    plain,
    score,
    shortened,
    skill_name,
)
from copilot_pipeline.report.groups import (
    claims_of_week,
    grouped_claims,
    labelled_drivers,
    shown_drivers,
    without_complements,
)
from copilot_pipeline.report.headlines import headlines
from copilot_pipeline.report.kpis import kpis
from copilot_pipeline.report.model import Report

# Items shown initially; the others are in a collapsed element.
SHOWN_SKILL_SERIES = 8
SHOWN_CLAIMS = 8
_MAX_QUOTE_LENGTH = 700
_MAX_BRIEF_LENGTH = 160
_MAX_TITLE_LENGTH = 160


def render(report: Report, link_hosts: tuple[str, ...] = LINK_HOSTS) -> str:
    """Return the HTML page. Calls are linked only at these hosts and those below them."""
    return (
        _templates(link_hosts)
        .get_template("page.html.j2")
        .render(
            report=report,
            headlines=headlines(report),
            kpis=kpis(report),
            charts=charts,
            incomplete={week.isoformat() for week in report.incomplete_weeks},
            fonts=FONTS,
            shown_skill_series=max(SHOWN_SKILL_SERIES, sum(series.in_regression for series in report.skill_series)),
            shown_claims=SHOWN_CLAIMS,
            drivers=shown_drivers(labelled_drivers(without_complements(report.drivers), report.labels)),
            claims=grouped_claims(report.claims),
            claims_of_week=claims_of_week(report),
            ongoing=ongoing_regressions(report),
            reps=count_of_reps(report.teams),
            mapped_coverage=mapped(report.coverage_by_rep),
            coverage_tables=coverage_tables(report.coverage_by_rep),
            coverage_weeks=coverage_by_weeks(report.coverage_by_week),
        )
    )


@cache
def _templates(link_hosts: tuple[str, ...]) -> Environment:
    environment = Environment(
        loader=PackageLoader("copilot_pipeline.report"),
        autoescape=True,  # names, quotes and reasons are untrusted
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "address": lambda url: url if is_allowed_link(url, link_hosts) else None,  # the field is untrusted
        "ago": _ago,
        "chance": _chance,
        "clock": _clock,
        "counted": count_of,
        "day": _day,
        "image": _image,
        "interval": _interval,
        "labelled": labelled,
        "in_meddicc_order": in_meddicc_order,
        "iso_day": lambda text: _moment(date.fromisoformat(text)),
        "moment": _moment,
        "month": month_label,
        "money": _money,
        "number": _number,
        "opening": lambda text: text[:1].upper() + text[1:],
        "percent": percent,
        "plain": plain,
        "prose": _prose,
        "quoted": _quoted,
        "briefly": _briefly,
        "score": score,
        "skill_name": skill_name,
        "display_name": display_name,
        "titled": _titled,
        "week": _week,
    }
    return environment


def _image(draw: charts.Draw) -> str:
    return f"data:image/svg+xml;base64,{b64encode(charts.as_svg(draw)).decode()}"


def _prose(text: str) -> str:
    """Return a sentence with non-breaking spaces before percent signs."""
    return plain(text).replace(" %", "\u00a0%")


def _quoted(text: str) -> str:
    return shortened(plain(text), _MAX_QUOTE_LENGTH)


def _briefly(text: str) -> str:
    return shortened(plain(text), _MAX_BRIEF_LENGTH)


def _titled(title: str | None) -> str:
    return shortened(plain(title or ""), _MAX_TITLE_LENGTH) or "a call without a title"


def _number(value: float) -> str:
    return f"{value:,.0f}"


def _money(amount: float, currency: str | None) -> str:
    return formatted(amount, currency).replace(" ", "\u00a0")


def _interval(count: int, n: int) -> str:
    """Format the 95 % interval of a share: `31 to 50 %`."""
    share = share_of(count, n)
    return f"{(share.low or 0) * 100:.0f} to {percent(share.high or 0)}"


def _week(report: Report) -> str:
    """Format the days of the week: `16 to 22 November 2026`, `30 November to 6 December 2026`."""
    first, last = report.week, report.last_day
    if first.year != last.year:
        return f"{_day(first)} to {_day(last)}"
    return f"{first.day} to {_day(last)}" if first.month == last.month else f"{first.day} {first:%B} to {_day(last)}"


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _moment(moment: date | datetime) -> str:
    return day_in_text(moment.astimezone(UTC) if isinstance(moment, datetime) else moment)


def _ago(days: float) -> str:
    return f"{days:,.0f} days ago" if days >= 1.5 else "yesterday" if days >= 1 else "today"


def _chance(chance: float) -> str:
    """Format a chance: `1 in 250`, `4 in 10`."""
    if chance < 0.0001:
        return "below 1 in 10,000"
    return f"1 in {1 / chance:,.0f}" if chance < 0.15 else f"{chance * 10:.0f} in 10"


def _clock(seconds: float) -> str:
    minutes, remainder = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{remainder:02}" if hours else f"{minutes}:{remainder:02}"
