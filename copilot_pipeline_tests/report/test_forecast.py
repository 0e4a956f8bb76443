"""The forecast's section of the report: from the tables to the page."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from copilot_pipeline.config.marts import MartSettings
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.marts.forecast.build import build_forecast
from copilot_pipeline.postgres import Database
from copilot_pipeline.report import render
from copilot_pipeline.report.charts import NARROW, Draw, as_svg, calibration_chart, forecast_by_month
from copilot_pipeline.report.forecast import NO_FORECAST, read_forecast
from copilot_pipeline_tests.marts.forecast.warehouse import store
from copilot_pipeline_tests.marts.forecast.worlds import MOMENT, World, simulate
from copilot_pipeline_tests.report.examples import EMPTY, forecast_section, full_page

SECTION = forecast_section()
MONTHS = SECTION.months_in("EUR")
MIN_PIXELS = 11
PIXELS_PER_POINT = 96 / 72


@pytest.mark.parametrize(
    "draw",
    [
        forecast_by_month(MONTHS),
        forecast_by_month(MONTHS, width=NARROW),
        calibration_chart(SECTION.deciles),
        calibration_chart(SECTION.deciles, width=NARROW),
    ],
)
def test_labels_of_charts_have_at_least_11_pixels(draw: Draw) -> None:
    """At the size at which the page shows the chart."""
    svg = as_svg(draw)
    assert list(ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"))
    sizes = [float(size) for size in re.findall(rb"font-size: ([\d.]+)px", svg)]
    assert sizes
    assert min(sizes) * PIXELS_PER_POINT >= MIN_PIXELS
    assert as_svg(draw) == svg


def test_states_that_the_win_rate_of_the_stage_is_shown() -> None:
    """Where the model is no better, the page says so."""
    page = render(replace(EMPTY, forecast=forecast_section(basis="stage", note="The model is no better than stage.")))
    assert "The win rate of each stage is shown, not the model." in page
    assert "The model is no better than stage." in page
    assert "The win rate of each stage is shown" not in full_page()


def test_a_report_without_a_forecast_says_so() -> None:
    """Before the first forecast, and with too few closed deals."""
    assert "There is no forecast yet" in render(EMPTY)
    none = forecast_section(basis="none", note="No forecast: 3 closed deals.", deals=(), records=(), deciles=())
    page = render(replace(EMPTY, forecast=replace(none, months=tuple(replace(one, forecast=None, low=None, high=None)
                                                           for one in none.months))))  # fmt: skip
    assert "No forecast: 3 closed deals." in page
    assert "No forecast has been scored yet" in page


def test_reads_the_tables(database: Database, tmp_path: Path) -> None:
    """The section has the months, the deals with their reasons, and the track record of the tables."""
    assert read_forecast(database) == NO_FORECAST
    store(database, simulate(World(deals=220, bricks=4, signal=2.0), 3))
    build_forecast(Lake(str(tmp_path)), database, MartSettings(), MOMENT)
    section = read_forecast(database)
    assert section.made_on == MOMENT.date()
    assert set(section.currencies) == {"EUR", "USD"}
    assert all(month.close_month >= "2026-05" for month in section.months)
    assert section.deals
    assert section.deals[0].probability > 0
    assert [record.source for record in section.records] == ["backtest"]
    assert len(section.deciles) == 10
    assert "Track record" in render(replace(EMPTY, forecast=section))
