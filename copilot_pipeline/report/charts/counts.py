"""Counts by week: calls and their processing state, checked calls and their accuracy."""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import date

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter, StrMethodFormatter

from copilot_pipeline.marts.intervals import percent
from copilot_pipeline.report.charts.style import (
    BLUE,
    GREY,
    INK,
    NARROW,
    PERCENT_SUFFIX,
    WIDE,
    Draw,
    label_columns,
    label_some_weeks,
    single,
    week_label,
)
from copilot_pipeline.report.model import Accuracy, Volume

_SCORED = "#9dbfe3"
_BAR = 0.62
_NUMBER_WIDTH, _WEEK_WIDTH, _AXIS_WIDTH, _MIN_WIDTH = 0.45, 0.8, 0.8, 3.0  # inches
_ONE_ROW_LEGEND_WIDTH = 6.0
_MAX_WEEKS_NARROW = 6


def calls_by_week(volume: Sequence[Volume], *, width: float = WIDE) -> Draw:
    """Draw a bar per week: outline for all calls, filled for scored; dash for transcripts, diamond for CRM links."""

    def draw() -> Figure:
        figure, axes = single(_chart_width(len(volume), width), 2.8)
        positions = range(len(volume))
        axes.bar(positions, [one.scored for one in volume], _BAR, color=_SCORED, label="scored")
        axes.bar(
            positions, [one.calls for one in volume], _BAR, fill=False, edgecolor=INK, linewidth=1, label="all calls"
        )
        for label, marker, colour, numbers in (
            ("with transcript", "_", INK, [one.with_transcript for one in volume]),
            ("linked to the CRM", "D", BLUE, [one.linked for one in volume]),
        ):
            axes.plot(
                positions, numbers, linestyle="none", marker=marker, color=colour, label=label,
                markersize=9 if marker == "_" else 4.5, markeredgewidth=2 if marker == "_" else 0.8,
            )  # fmt: skip
        for position, one in zip(positions, volume, strict=True):
            if len(volume) * _NUMBER_WIDTH <= width - _AXIS_WIDTH:
                axes.annotate(
                    f"{one.calls:,}", (position, one.calls), xytext=(0, 3), textcoords="offset points", ha="center",
                    fontsize=8.5,
                )  # fmt: skip
        axes.set_ylim(0, max(1, *(one.calls for one in volume)) * 1.14)
        axes.set_xlim(-0.6, len(volume) - 0.4)
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        incomplete = {one.week for one in volume if not one.is_complete}
        label_some_weeks(axes, [week_label(one.week, incomplete) for one in volume], 12 if width == WIDE else 5)
        axes.grid(axis="y", linewidth=0.8)
        figure.legend(
            loc="outside lower left",
            frameon=False,
            ncols=4 if figure.get_figwidth() > _ONE_ROW_LEGEND_WIDTH else 2,
            fontsize=8.5,
        )
        return figure

    return draw


def accuracy_by_week(accuracy: Sequence[Accuracy], *, width: float = WIDE, incomplete: Container[date] = ()) -> Draw:
    """Draw the share of checked calls without a flagged claim, with interval and n; `incomplete` weeks are marked."""

    def draw() -> Figure:
        shown = accuracy[-_MAX_WEEKS_NARROW:] if width == NARROW else accuracy
        figure, axes = single(_chart_width(len(shown), width), 2.4)
        positions = range(len(shown))
        shares = [one.share for one in shown]
        below = [one.share - one.low for one in shown]
        above = [one.high - one.share for one in shown]
        axes.errorbar(
            positions, shares, yerr=[below, above],
            fmt="o", color=BLUE, ecolor=GREY, elinewidth=1.1, capsize=3, markersize=6,
        )  # fmt: skip
        for position, share in zip(positions, shares, strict=True):
            axes.annotate(
                percent(share) if width == WIDE else percent(share).removesuffix(PERCENT_SUFFIX), (position, share),
                xytext=(7, 0), textcoords="offset points", va="center", fontsize=8.5,
            )  # fmt: skip
        label_columns(axes, [f"{week_label(one.week, incomplete)}\nn {one.n:,}" for one in shown], 8.5, above=False)
        axes.set_xlim(-0.6, len(shown) - 0.4)
        axes.set_ylim(0, 1.04)
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=PERCENT_SUFFIX))
        axes.grid(axis="y", linewidth=0.8)
        return figure

    return draw


def _chart_width(weeks: int, width: float) -> float:
    """Return the width in inches: a few weeks do not fill the whole page."""
    return min(width, max(_MIN_WIDTH, _AXIS_WIDTH + _WEEK_WIDTH * weeks))
