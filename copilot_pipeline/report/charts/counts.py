"""Counts by week: calls and how far they came, checked calls and how many were accurate."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter, StrMethodFormatter

from copilot_pipeline.marts.intervals import percent
from copilot_pipeline.report.charts.style import (
    BLUE,
    GREY,
    INK,
    NARROW,
    SIGN,
    WIDE,
    Draw,
    label_columns,
    only_some,
    single,
    week_label,
)
from copilot_pipeline.report.model import Accuracy, Volume

_SCORED = "#9dbfe3"
_BAR = 0.62
_ROOM_FOR_A_NUMBER, _A_WEEK, _BESIDE, _NARROWEST = 0.45, 0.8, 0.8, 3.0  # inches
_ROOM_FOR_A_LEGEND = 6.0
_MOST_WEEKS_ON_A_PHONE = 6


def calls_by_week(volume: Sequence[Volume], *, width: float = WIDE) -> Draw:
    """A bar a week: all calls as its outline, scored calls filled; a dash for transcripts, a diamond for CRM links."""

    def draw() -> Figure:
        figure, axes = single(_wide_enough(len(volume), width), 2.8)
        places = range(len(volume))
        axes.bar(places, [one.scored for one in volume], _BAR, color=_SCORED, label="scored")
        axes.bar(places, [one.calls for one in volume], _BAR, fill=False, edgecolor=INK, linewidth=1, label="all calls")
        for label, marker, colour, numbers in (
            ("with transcript", "_", INK, [one.with_transcript for one in volume]),
            ("linked to the CRM", "D", BLUE, [one.linked for one in volume]),
        ):
            axes.plot(
                places, numbers, linestyle="none", marker=marker, color=colour, label=label,
                markersize=9 if marker == "_" else 4.5, markeredgewidth=2 if marker == "_" else 0.8,
            )  # fmt: skip
        for place, one in zip(places, volume, strict=True):
            if len(volume) * _ROOM_FOR_A_NUMBER <= width - _BESIDE:
                axes.annotate(
                    f"{one.calls:,}", (place, one.calls), xytext=(0, 3), textcoords="offset points", ha="center",
                    fontsize=8,
                )  # fmt: skip
        axes.set_ylim(0, max(1, *(one.calls for one in volume)) * 1.14)
        axes.set_xlim(-0.6, len(volume) - 0.4)
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        only_some(axes, [week_label(one.week) for one in volume], 12 if width == WIDE else 5)
        axes.grid(axis="y", linewidth=0.8)
        figure.legend(
            loc="outside lower left",
            frameon=False,
            ncols=4 if figure.get_figwidth() > _ROOM_FOR_A_LEGEND else 2,
            fontsize=8.5,
        )
        return figure

    return draw


def accuracy_by_week(accuracy: Sequence[Accuracy], *, width: float = WIDE) -> Draw:
    """The share of checked calls without a flagged claim, with its interval, and its n under it."""

    def draw() -> Figure:
        shown = accuracy[-_MOST_WEEKS_ON_A_PHONE:] if width == NARROW else accuracy
        figure, axes = single(_wide_enough(len(shown), width), 2.4)
        places = range(len(shown))
        shares = [one.share for one in shown]
        below = [one.share - one.low for one in shown]
        above = [one.high - one.share for one in shown]
        axes.errorbar(
            places, shares, yerr=[below, above],
            fmt="o", color=BLUE, ecolor=GREY, elinewidth=1.1, capsize=3, markersize=6,
        )  # fmt: skip
        for place, share in zip(places, shares, strict=True):
            axes.annotate(
                percent(share) if width == WIDE else percent(share).removesuffix(SIGN), (place, share), xytext=(7, 0),
                textcoords="offset points", va="center", fontsize=8,
            )  # fmt: skip
        label_columns(axes, [f"{week_label(one.week)}\nn {one.n:,}" for one in shown], 8, above=False)
        axes.set_xlim(-0.6, len(shown) - 0.4)
        axes.set_ylim(0, 1.04)
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=SIGN))
        axes.grid(axis="y", linewidth=0.8)
        return figure

    return draw


def _wide_enough(weeks: int, width: float) -> float:
    """Inches for so many weeks: a few of them are not spread over the whole page."""
    return min(width, max(_NARROWEST, _BESIDE + _A_WEEK * weeks))
