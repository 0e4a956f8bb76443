"""The page: one HTML file that needs no network and runs no script."""

from __future__ import annotations

from base64 import b64encode
from datetime import date, datetime
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from copilot_pipeline.addresses import is_web_address
from copilot_pipeline.analysis.intervals import percent
from copilot_pipeline.report import pictures
from copilot_pipeline.report.contents import Report
from copilot_pipeline.report.headlines import headlines
from copilot_pipeline.report.words import plain, spoken


def render(report: Report) -> str:
    """The whole page."""
    return (
        _templates().get_template("page.html.j2").render(report=report, headlines=headlines(report), pictures=pictures)
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
        "clock": _clock,
        "day": _day,
        "image": _image,
        "moment": _moment,
        "percent": percent,
        "plain": plain,
        "prose": _prose,
        "spoken": spoken,
    }
    return environment


def _address(url: str | None) -> str | None:
    """A link's address, where it is one of the web: the field holds what the API said."""
    return url if url is not None and is_web_address(url) else None


def _image(draw: pictures.Draw) -> str:
    return f"data:image/svg+xml;base64,{b64encode(pictures.as_svg(draw)).decode()}"


def _prose(text: str) -> str:
    """A sentence in which a number and its sign stay on one line."""
    return plain(text).replace(" %", "\u00a0%")


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _moment(moment: datetime) -> str:
    return f"{moment.day} {moment:%b %Y}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
