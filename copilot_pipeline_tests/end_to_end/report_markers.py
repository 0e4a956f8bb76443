"""Where the markers of the charts are, by the labels of their axes, against the tables of the database."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from copilot_pipeline_tests.end_to_end.report_page import Compared, Figures, Page
from copilot_pipeline_tests.end_to_end.report_statistics import calibration

BLUE, ORANGE, INK = "#1f5fa8", "#b84a06", "#1d2733"  # of filled markers
TOLERANCE = 0.004  # of the length of an axis: a pixel or two
_GROUP, _USE, _TEXT = (f"{{http://www.w3.org/2000/svg}}{tag}" for tag in ("g", "use", "text"))
_TICK, _NUMBER = re.compile(r"([xy])tick_\d+$"), re.compile(r"^([\d.,]+)\s?([%kM]?)$")
_FILL = re.compile(r"fill: (#[0-9a-f]{6})")
_UNITS = {"%": 0.01, "k": 1e3, "M": 1e6, "": 1.0}


class Marker(NamedTuple):
    """A marker: its colour, and its values by the axes; nan along an axis without numbers."""

    fill: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class _Axis:
    """Two ticks with their numbers, from which every other place is measured."""

    places: tuple[float, float]
    values: tuple[float, float]

    def value(self, place: float) -> float:
        (place0, place1), (value0, value1) = self.places, self.values
        return value0 + (place - place0) * (value1 - value0) / (place1 - place0)


def chart_markers(page: Page, figures: Figures) -> Compared:
    """Compare the number of the markers, and yield those that are somewhere else than the value of the tables."""
    for chart, fills, axis, values in _expected(page, figures):
        if not page.drawing(chart):
            continue
        markers = [one for one in _markers(page.drawing(chart)) if one.fill in fills]
        places = [
            float(getattr(one, axis)) for one in markers[len(markers) - len(values) :]
        ]  # ends of intervals are first
        tolerance = TOLERANCE * max(1.0, *map(abs, values), 0.0)
        wrong = [pair for pair in zip(values, places, strict=False) if not abs(pair[0] - pair[1]) <= tolerance]
        yield f"markers of {chart}, {axis}", (len(values), []), (len(places), wrong)


def _expected(page: Page, figures: Figures) -> Iterator[tuple[str, set[str], str, list[float]]]:
    """Yield each chart with the colours and the axis of its markers, and their values in the order of the chart."""
    calls = figures.rows("calls")[::-1]
    yield "Calls per week", {INK}, "y", [one["transcripts"] for one in calls]
    yield "Calls per week", {BLUE}, "y", [one["linked"] for one in calls]
    yield "Share of checked calls", {BLUE}, "y", [one["accurate"] / one["n"] for one in figures.rows("accuracy")]
    yield "Forecast by close month", {BLUE}, "x", [one["forecast"] for one in figures.rows("forecast")]
    yield "Win rates", {BLUE, ORANGE}, "x", [one["won"] / one["support"] for one in figures.drivers()]
    deals, rows = figures.frame("outcomes"), page.rows("Coverage by deal outcome")
    for outcome, fill in (("lost", ORANGE), ("won", BLUE)):
        elements = [row[0].replace(" ", "_") for row in rows if row[1] == outcome]
        shares = [deals[(deals.element == one) & (deals.outcome == outcome)].is_uncovered.mean() for one in elements]
        yield "Lost and won deals", {fill}, "x", shares
    tenths = calibration(figures.frame("forecasts"))
    yield "Share won against forecast", {BLUE}, "x", [mean for mean, _, _ in tenths]
    yield "Share won against forecast", {BLUE}, "y", [won / count for _, won, count in tenths]


def _markers(svg: str) -> list[Marker]:
    """Return the markers inside the axes, in the order in which they were drawn."""
    if not svg:
        return []
    root = ElementTree.fromstring(svg)
    axes = [_axis(root, name) for name in "xy"]
    groups = [(group.get("id") or "", group) for group in root.iter(_GROUP)]
    of_ticks = {use for name, group in groups if _TICK.match(name) for use in group.iter(_USE)}
    return [
        Marker(
            fill[1],
            *(axis.value(float(use.get(name, ""))) if axis else np.nan for name, axis in zip("xy", axes, strict=True)),
        )
        for name, group in groups
        if name.startswith("axes_")
        for use in group.iter(_USE)
        if use not in of_ticks and (fill := _FILL.search(use.get("style") or ""))
    ]


def _axis(root: ElementTree.Element, name: str) -> _Axis | None:
    ticks = []
    for group in root.iter(_GROUP):
        tick = _TICK.match(group.get("id") or "")
        text = "".join(part for one in group.iter(_TEXT) for part in one.itertext()).strip()
        number = _NUMBER.match(text)
        if tick and tick[1] == name and number:
            place = float(next(group.iter(_USE)).get(name, ""))
            ticks.append((place, float(number[1].replace(",", "")) * _UNITS[number[2]]))
    if len(ticks) < 2:
        return None
    places, values = zip(ticks[0], ticks[-1], strict=True)
    return _Axis(places, values)
