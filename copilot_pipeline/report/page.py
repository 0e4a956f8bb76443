"""The page: one HTML file that needs no network and runs no script."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from datetime import date, datetime
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from copilot_pipeline.config.urls import is_web_address
from copilot_pipeline.marts.intervals import percent
from copilot_pipeline.report import charts
from copilot_pipeline.report.charts.style import FONTS
from copilot_pipeline.report.formatting import in_order, plain, score, shortened, skill_name, spoken
from copilot_pipeline.report.headlines import headlines
from copilot_pipeline.report.kpis import kpis
from copilot_pipeline.report.model import Driver, Report

# So much stands open on the page; the rest is one click away.
SHOWN_COURSES = 8
SHOWN_CLAIMS = 8
_MOST_WITHIN_CHANCE = 5
_LONGEST_QUOTE = 700
_LONGEST_TITLE = 160


def render(report: Report) -> str:
    """The whole page."""
    return (
        _templates()
        .get_template("page.html.j2")
        .render(
            report=report,
            headlines=headlines(report),
            tiles=kpis(report),
            pictures=charts,
            fonts=FONTS,
            shown_courses=max(SHOWN_COURSES, sum(course.is_sliding for course in report.courses)),
            shown_claims=SHOWN_CLAIMS,
            drivers=_worth_showing(report.drivers),
        )
    )


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("copilot_pipeline.report"),
        autoescape=True,  # names, quotes and reasons are other people's words
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "address": _address,
        "ago": _ago,
        "clock": _clock,
        "day": _day,
        "image": _image,
        "in_order": in_order,
        "moment": _moment,
        "number": _number,
        "percent": percent,
        "plain": plain,
        "prose": _prose,
        "quoted": _quoted,
        "score": score,
        "skill_name": skill_name,
        "spoken": spoken,
        "titled": _titled,
        "week": _week,
    }
    return environment


def _worth_showing(drivers: Sequence[Driver]) -> list[Driver]:
    """All that hold up, and a few of those that may be chance."""
    certain = [driver for driver in drivers if driver.is_significant]
    return certain + [driver for driver in drivers if not driver.is_significant][:_MOST_WITHIN_CHANCE]


def _address(url: str | None) -> str | None:
    """A link's address, where it is one of the web: the field holds what the API said."""
    return url if url is not None and is_web_address(url) else None


def _image(draw: charts.Draw) -> str:
    return f"data:image/svg+xml;base64,{b64encode(charts.as_svg(draw)).decode()}"


def _prose(text: str) -> str:
    """A sentence in which a number and its sign stay on one line."""
    return plain(text).replace(" %", "\u00a0%")


def _quoted(text: str) -> str:
    return shortened(plain(text), _LONGEST_QUOTE)


def _titled(title: str | None) -> str:
    return shortened(plain(title or ""), _LONGEST_TITLE) or "a call without a title"


def _number(value: float) -> str:
    return f"{value:,.0f}"


def _week(report: Report) -> str:
    """`16 to 22 November 2026`, with no more months and years than are needed."""
    first, last = report.week, report.last_day
    if first.year != last.year:
        return f"{_day(first)} to {_day(last)}"
    return f"{first.day} to {_day(last)}" if first.month == last.month else f"{first.day} {first:%B} to {_day(last)}"


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _moment(moment: date | datetime) -> str:
    return f"{moment.day} {moment:%b %Y}"


def _ago(days: float) -> str:
    return f"{days:,.0f} days ago" if days >= 1.5 else "yesterday" if days >= 1 else "today"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
