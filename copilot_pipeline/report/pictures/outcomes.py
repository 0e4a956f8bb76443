"""What goes with winning and losing."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from copilot_pipeline.report.contents import Driver, Ending
from copilot_pipeline.report.pictures.drawing import (
    BLUE,
    GREY,
    NARROW,
    ORANGE,
    SIGN,
    WIDE,
    Draw,
    label_rows,
    single,
    wrapped,
)
from copilot_pipeline.report.words import plain, spoken

_WON, _LOST = ("won", "^", BLUE), ("lost", "v", ORANGE)


def element_endings(endings: Sequence[Ending], *, width: float = WIDE) -> Draw:
    """For each element the lost deals that never covered it, and the won ones, with their intervals."""

    def draw() -> Figure:
        elements = list(dict.fromkeys(one.element for one in endings))
        labels = [_counted(element, [one for one in endings if one.element == element], width) for element in elements]
        figure, axes = single(width, 0.95 + _row_height(labels) * len(elements))
        for (outcome, marker, colour), shift in ((_LOST, -0.14), (_WON, 0.14)):
            for one in endings:
                if one.outcome == outcome:
                    place = elements.index(one.element) + shift
                    axes.plot([one.low, one.high], [place, place], color=colour, linewidth=1.4)
                    axes.plot([one.share], [place], marker=marker, color=colour, markersize=7)
        _as_rows(axes, labels, width)
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
    """Win rates under each condition, with their intervals, beside the base rate. Never a rate without its n.

    Triangles point to what it goes with: up to winning, down to losing. What is within chance is hollow.
    """

    def draw() -> Figure:
        longest, lines = (46, 3) if width == WIDE else (21, 5)
        labels = [
            f"{wrapped(spoken(driver.condition), longest, lines)}\n{driver.won:,} of {driver.support:,} won"
            for driver in drivers
        ]
        figure, axes = single(width, 0.75 + _row_height(labels) * len(drivers))
        for place, driver in enumerate(drivers):
            wins = driver.direction == "wins"
            colour = BLUE if wins else ORANGE
            axes.plot([driver.low, driver.high], [place, place], color=colour, linewidth=1.4)
            axes.plot(
                [driver.win_rate],
                [place],
                marker="^" if wins else "v",
                markersize=8,
                markeredgecolor=colour,
                markerfacecolor=colour if driver.is_significant else "white",
            )
            axes.plot([driver.base_rate] * 2, [place - 0.34, place + 0.34], color=GREY, linestyle="--", linewidth=1.2)
        _as_rows(axes, labels, width)
        axes.set_xlabel("deals won, with the 95 % interval; dashed: of all deals" if width == WIDE else "deals won")
        return figure

    return draw


def _row_height(labels: Sequence[str]) -> float:
    """Inches for the label with most lines, and some air."""
    return 0.2 + 0.155 * max(label.count("\n") + 1 for label in labels)


def _counted(element: str, endings: Sequence[Ending], width: float) -> str:
    counts = [f"{one.uncovered:,} of {one.n:,} {one.outcome}" for one in endings]
    return "\n".join([plain(spoken(element)), ", ".join(counts) if width == WIDE else "\n".join(counts)])


def _as_rows(axes: Axes, labels: Sequence[str], width: float) -> None:
    """Shares from 0 to 1 in labelled rows, the first one on top."""
    label_rows(axes, labels, 8.5 if width == WIDE else 7.5)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xticks([0, 0.5, 1] if width == NARROW else [0, 0.2, 0.4, 0.6, 0.8, 1])
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=SIGN))
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", linewidth=0.8)
