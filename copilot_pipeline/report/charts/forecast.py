"""Charts of the forecast: expected amounts by month, and calibration."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter, MaxNLocator, PercentFormatter

from copilot_pipeline.report.charts.style import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    PALE,
    PERCENT_SUFFIX,
    WIDE,
    Draw,
    label_rows,
    single,
)
from copilot_pipeline.report.forecast import Decile, ForecastMonth
from copilot_pipeline.report.formatting import count_of, month_label

_SIZE = 9.0  # points: 12 pixels in the browser
_ROW, _AROUND = 0.62, 1.15  # inches


def forecast_by_month(months: Sequence[ForecastMonth], *, width: float = WIDE) -> Draw:
    """Draw one row per close month, in one currency: pipeline, forecast with interval, CRM-weighted and commit."""

    def draw() -> Figure:
        figure, axes = single(width, _AROUND + _ROW * len(months) + (0.25 if width < WIDE else 0.0))
        places = [float(place) for place in range(len(months))]
        axes.barh(places, [month.pipeline for month in months], 0.56, color=PALE)
        for place, month in zip(places, months, strict=True):
            axes.plot([month.commit] * 2, [place - 0.28, place + 0.28], color=INK, linewidth=1.6)
            if month.stage_weighted is not None:
                axes.plot([month.stage_weighted], [place + 0.13], marker="D", color=ORANGE, markersize=6)
            if month.forecast is not None and month.low is not None and month.high is not None:
                axes.plot([month.low, month.high], [place - 0.1] * 2, color=BLUE, linewidth=1.8)
                axes.plot([month.forecast], [place - 0.1], marker="o", color=BLUE, markersize=8)
        label_rows(axes, [f"{month_label(one.close_month)}\n{count_of(one.deals, 'deal')}" for one in months], _SIZE)
        axes.set_ylim(len(months) - 0.5, -0.5)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(5 if width == WIDE else 3))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.tick_params(labelsize=_SIZE)
        axes.set_xlabel(f"amount in {months[0].currency or 'an unknown currency'}", fontsize=_SIZE)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", linewidth=0.8)
        figure.legend(
            handles=[
                Line2D([], [], color=BLUE, marker="o", label="forecast, 95 % interval"),
                Line2D([], [], color=ORANGE, marker="D", linestyle="none", label="weighted by CRM stage"),
                Line2D([], [], color=INK, marker="|", markersize=10, linestyle="none", label="commit"),
                Patch(color=PALE, label="pipeline"),
            ],
            loc="outside upper left", ncols=4 if width == WIDE else 2, frameon=False, fontsize=_SIZE,
            columnspacing=1.0, handletextpad=0.5,
        )  # fmt: skip
        return figure

    return draw


def calibration_chart(deciles: Sequence[Decile], *, width: float = WIDE) -> Draw:
    """Draw the share won against the mean forecast of each tenth, with intervals; the diagonal is perfect."""

    def draw() -> Figure:
        figure, axes = single(min(width, 4.6), min(width, 4.6) * 0.9)
        axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1)
        for one in deciles:
            axes.plot([one.forecast] * 2, [one.low, one.high], color=GREY, linewidth=1.2)
        axes.plot(
            [one.forecast for one in deciles], [one.share for one in deciles],
            linestyle="none", marker="o", color=BLUE, markersize=6,
        )  # fmt: skip
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(5))
            axis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=PERCENT_SUFFIX))
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.tick_params(labelsize=_SIZE)
        axes.set_xlabel("forecast", fontsize=_SIZE)
        axes.set_ylabel("won, with the 95 % interval", fontsize=_SIZE)
        axes.grid(linewidth=0.8)
        return figure

    return draw
