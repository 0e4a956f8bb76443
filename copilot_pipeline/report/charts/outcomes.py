"""Charts of won and lost deals."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from copilot_pipeline.report.charts.style import (
    BLUE,
    GREY,
    NARROW,
    ORANGE,
    PERCENT_SUFFIX,
    WIDE,
    Draw,
    label_rows,
    single,
    wrapped,
)
from copilot_pipeline.report.formatting import display_name, plain
from copilot_pipeline.report.model import Driver, ElementOutcome

_LINE, _AIR, _AXIS = 0.155, 0.18, 0.6  # inches
_WON, _LOST = ("won", "^", BLUE), ("lost", "v", ORANGE)


def element_outcomes_chart(element_outcomes: Sequence[ElementOutcome], *, width: float = WIDE) -> Draw:
    """Draw, for each element, the shares of lost and won deals that never covered it, with intervals."""

    def draw() -> Figure:
        elements = list(dict.fromkeys(one.element for one in element_outcomes))
        labels = [
            _counted(element, [one for one in element_outcomes if one.element == element], width)
            for element in elements
        ]
        figure, axes, positions = _rows(labels, width, above=0.3)
        for (outcome, marker, colour), shift in ((_LOST, -0.07), (_WON, 0.07)):
            for one in element_outcomes:
                if one.outcome == outcome:
                    position = positions[elements.index(one.element)] + shift
                    _interval(axes, position, one.low, one.share, one.high, marker, colour)
        axes.set_xlabel("deals that never covered it, with the 95 % interval" if width == WIDE else "never covered it")
        figure.legend(
            handles=[
                Line2D([], [], color=colour, marker=marker, markersize=7, label=f"{outcome} deals")
                for outcome, marker, colour in (_LOST, _WON)
            ],
            loc="outside upper left", ncols=2, frameon=False,
        )  # fmt: skip
        return figure

    return draw


def driver_forest(drivers: Sequence[Driver], *, width: float = WIDE) -> Draw:
    """Draw the win rate under each condition with its interval and n, and the rate of comparable deals.

    A triangle points up for winning and down for losing, and is hollow if the driver is not confirmed.
    """

    def draw() -> Figure:
        labels = [f"{_condition(driver, width)}\n{driver.won:,} of {driver.support:,} won" for driver in drivers]
        figure, axes, positions = _rows(labels, width)
        for position, driver in zip(positions, drivers, strict=True):
            _, marker, colour = _WON if driver.direction == "wins" else _LOST
            if (expected := driver.expected_rate) is not None:
                axes.plot([expected] * 2, [position - 0.18, position + 0.18], color=GREY, linestyle="--", linewidth=1.2)
            face = colour if driver.is_confirmed else "white"
            _interval(axes, position, driver.low, driver.win_rate, driver.high, marker, colour, face)
        explained = "newer deals won, with the 95 % interval; dashed: of comparable deals"
        axes.set_xlabel(explained if width == WIDE else "deals won")
        return figure

    return draw


def _interval(
    axes: Axes,
    position: float,
    low: float,
    share: float,
    high: float,
    marker: str,
    colour: str,
    face: str | None = None,
) -> None:
    """Draw a share and its interval."""
    axes.plot([low, high], [position, position], color=colour, linewidth=1.4)
    axes.plot(
        [share], [position],
        marker=marker, markersize=8, markeredgecolor=colour, markerfacecolor=face or colour, clip_on=False,
    )  # fmt: skip


def _condition(driver: Driver, width: float) -> str:
    """Return one line per condition, with no line break around a comparison."""
    text = display_name(driver.condition)
    for sign, shown in ((" <= ", "\u00a0≤\u00a0"), (" > ", "\u00a0>\u00a0")):
        text = text.replace(sign, shown)
    first, *further = text.split(" and ")
    longest = 44 if width == WIDE else 22
    return "\n".join(wrapped(part, longest) for part in (first, *(f"and {other}" for other in further)))


def _counted(element: str, element_outcomes: Sequence[ElementOutcome], width: float) -> str:
    counts = [f"{one.uncovered:,} of {one.n:,} {one.outcome}" for one in element_outcomes]
    return "\n".join([plain(display_name(element)), ", ".join(counts) if width == WIDE else "\n".join(counts)])


def _rows(labels: Sequence[str], width: float, *, above: float = 0.0) -> tuple[Figure, Axes, list[float]]:
    """Return axes for shares from 0 to 1 with labelled rows from top to bottom, and the position of each row.

    A row is as high as its label. Positions are in inches; `above` is the space for a legend.
    """
    heights = [_AIR + _LINE * (label.count("\n") + 1) for label in labels]
    ends = list(accumulate(heights))
    positions = [end - height / 2 for end, height in zip(ends, heights, strict=True)]
    figure, axes = single(width, ends[-1] + _AXIS + above)
    label_rows(axes, labels, 8.5, positions)
    axes.set_ylim(ends[-1], 0)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xticks([0, 0.5, 1] if width == NARROW else [0, 0.2, 0.4, 0.6, 0.8, 1])
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=PERCENT_SUFFIX))
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", linewidth=0.8)
    return figure, axes, positions
