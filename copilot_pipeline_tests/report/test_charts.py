"""The charts of the report: what they show, and that it can be read."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest

from copilot_pipeline.report import charts
from copilot_pipeline.report.model import Coverage
from copilot_pipeline_tests.report.examples import (
    WEEK,
    driver,
    full,
    series,
)


def texts(svg: bytes) -> list[str]:
    """Return the texts of an SVG chart."""
    return ["".join(one.itertext()) for one in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_the_heat_map_is_readable_without_colour() -> None:
    """Every cell shows its share and interval; each week shows n."""
    coverage = [Coverage(WEEK.isoformat(), "champion", 50, 17), Coverage(WEEK.isoformat(), "metrics", 50, 0)]
    result = texts(charts.as_svg(charts.coverage_map(coverage, are_weeks=True)))
    assert {"34 %", "22\N{EN DASH}48", "0 %", "0\N{EN DASH}7", "n 50", "champion", "metrics", "16 Nov"} <= set(result)


def test_cells_show_their_n_if_it_differs_within_the_group() -> None:
    """A rep's elements may be scored on different calls."""
    coverage = [Coverage("Ana Ruiz", "champion", 50, 17), Coverage("Ana Ruiz", "metrics", 49, 0)]
    result = texts(charts.as_svg(charts.coverage_map(coverage, are_weeks=False)))
    assert {"n 50", "n 49", "Ana Ruiz"} <= set(result)


@pytest.mark.parametrize("share", [step / 20 for step in range(21)])
def test_text_in_cells_has_enough_contrast(share: float) -> None:
    """Text is dark on light cells and white on dark cells; WCAG 2 requires 3:1 for large text."""
    svg = charts.as_svg(charts.coverage_map([Coverage("Ana Ruiz", "champion", 20, round(share * 20))], are_weeks=False))
    cell = re.search(rb'id="patch_3">.*?fill: #([0-9a-f]{6})', svg, re.DOTALL)
    words = re.search(rb"fill: (#[0-9a-f]{6}|white)[^>]*>%d %%<" % round(share * 100), svg)
    assert cell is not None
    assert words is not None
    light, dark = sorted((_light(cell[1].decode()), _light(words[1].decode().lstrip("#"))), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 3.9


def _light(colour: str) -> float:
    """Return the relative luminance of a colour (WCAG 2)."""
    parts = [
        int("ffffff"[place : place + 2] if colour == "white" else colour[place : place + 2], 16) / 255
        for place in (0, 2, 4)
    ]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_drivers_show_their_deals() -> None:
    """Each driver has its won and all deals; markers of drivers that are not confirmed are hollow."""
    confirmed = charts.as_svg(charts.driver_forest([driver("budget")]))
    candidate = charts.as_svg(charts.driver_forest([driver("budget", is_confirmed=False)]))
    assert "37 of 52 won" in texts(confirmed)
    assert confirmed != candidate


def test_wraps_conjunctions_between_conditions() -> None:
    """Neither a condition nor a comparison is broken across lines."""
    result = texts(charts.as_svg(charts.driver_forest([driver("champion_identified and discovery_depth <= 65")])))
    assert {"champion identified", "and discovery depth\u00a0≤\u00a065", "37 of 52 won"} <= set(result)


@pytest.mark.parametrize("draw", [charts.skill_panel(series(in_regression=True)), charts.skill_panels([series()] * 5)])
def test_charts_are_reproducible(draw: Any) -> None:
    """The same data gives the same bytes."""
    assert charts.as_svg(draw) == charts.as_svg(draw)
    assert charts.as_png(draw).startswith(b"\x89PNG")


def test_charts_for_the_dagster_ui_are_at_most_1000_pixels_wide() -> None:
    """The dialog of the UI clips wider images."""
    for draw in (
        charts.skill_panels([series()] * 12),
        charts.coverage_map(full().coverage_by_week, are_weeks=True),
    ):
        png = charts.as_png(draw)
        assert int.from_bytes(png[16:20], "big") <= 1000


def test_draws_a_series_of_a_single_call() -> None:
    """The axes need a range even then."""
    one = series()
    alone = type(one)(one.rep, one.skill, 0.7, False, one.points[:1])
    assert charts.as_svg(charts.skill_panel(alone))
