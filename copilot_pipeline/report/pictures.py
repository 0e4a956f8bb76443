"""The pictures, drawn by matplotlib. Each can be read without colour: numbers stand in the cells, and what is good or
bad differs in shape.

Drawn as SVG with text as text: browsers then find a font for names in any script.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from threading import Lock

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from copilot_pipeline.analysis.parts import ELEMENTS
from copilot_pipeline.report.contents import Accuracy, Coverage, Driver, SkillCourse, Volume
from copilot_pipeline.report.words import plain, shortened, spoken

Draw = Callable[[], Figure]

INK, GREY, BLUE, ORANGE = "#1d2733", "#8a94a0", "#1f5fa8", "#c8540a"
# matplotlib keeps its style in one place for all threads.
_STYLE_LOCK = Lock()
_LONGEST_LABEL = 46
_LONGEST_LINE = 16  # of a column's label
_INCHES_A_LETTER = 0.075


def as_svg(draw: Draw) -> bytes:
    """A picture for the page."""
    return _drawn(draw, "svg")


def as_png(draw: Draw) -> bytes:
    """A picture for the Dagster UI."""
    return _drawn(draw, "png")


def _drawn(draw: Draw, kind: str) -> bytes:
    with _style():
        target = io.BytesIO()
        # Without a date the same data makes the same bytes.
        metadata = {"Date": None} if kind == "svg" else None
        draw().savefig(target, format=kind, dpi=110, metadata=metadata, bbox_inches="tight", pad_inches=0.08)
        return target.getvalue()


@contextmanager
def _style() -> Iterator[None]:
    style = mpl.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "copilot-pipeline",
            "text.parse_math": False,  # a `$` in a name is a `$`
            "font.family": "sans-serif",
            "font.size": 9,
            "axes.edgecolor": GREY,
            "axes.labelcolor": INK,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
        }
    )
    with _STYLE_LOCK, warnings.catch_warnings(), style:
        # The browser has the fonts that matplotlib lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        yield


def calls_by_week(volume: Sequence[Volume]) -> Draw:
    """Calls, transcripts, scored calls and calls with a CRM link, as lines with a marker each."""

    def draw() -> Figure:
        figure, axes = _figure(6.6, 2.9)
        weeks = [_week(one.week) for one in volume]
        for label, marker, style, numbers in (
            ("calls", "o", "-", [one.calls for one in volume]),
            ("with transcript", "s", "--", [one.with_transcript for one in volume]),
            ("scored", "^", "-.", [one.scored for one in volume]),
            ("linked to the CRM", "D", ":", [one.linked for one in volume]),
        ):
            axes.plot(weeks, numbers, marker=marker, linestyle=style, markersize=5, label=label)
        axes.set_ylim(0, max(1, *(one.calls for one in volume)) * 1.08)
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        _thin_out(axes, weeks)
        axes.set_ylabel("calls a week")
        axes.legend(frameon=False, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.18))
        return figure

    return draw


def coverage_map(coverage: Sequence[Coverage], *, are_weeks: bool) -> Draw:
    """Element by week or rep; each cell says its share and its n."""

    def draw() -> Figure:
        groups = list(dict.fromkeys(one.group for one in coverage))
        order = list(ELEMENTS)
        elements = sorted(
            {one.element for one in coverage},
            key=lambda element: (order.index(element) if element in order else len(order), element),
        )
        # Weeks run from left to right; reps, who may be many and have long names, from top to bottom.
        rows, columns = (elements, groups) if are_weeks else (groups, elements)
        labels = [shortened(spoken(one) if are_weeks else plain(one), _LONGEST_LABEL) for one in rows]
        room = 0.5 + _INCHES_A_LETTER * max(map(len, labels))
        figure, axes = _figure(room + 0.72 * max(3, len(columns)), 0.7 + 0.46 * max(2, len(rows)))
        for one in coverage:
            row, column = (one.element, one.group) if are_weeks else (one.group, one.element)
            x, y = columns.index(column), rows.index(row)
            shade = 0.08 + 0.72 * one.share
            axes.add_patch(
                mpl.patches.Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=mpl.colormaps["Blues"](shade))
            )
            colour = "white" if shade > 0.55 else INK
            axes.text(x, y - 0.13, f"{one.share:.0%}", ha="center", va="center", color=colour, weight="bold")
            axes.text(x, y + 0.24, f"n {one.n:,}", ha="center", va="center", color=colour, fontsize=7)
        axes.set_xlim(-0.55, len(columns) - 0.45)
        axes.set_ylim(len(rows) - 0.45, -0.55)
        named = [_week(date.fromisoformat(one)) if are_weeks else _wrapped(spoken(one)) for one in columns]
        axes.set_xticks(range(len(columns)), named)
        axes.set_yticks(range(len(rows)), labels)
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        return figure

    return draw


def skill_course(course: SkillCourse) -> Draw:
    """One rep's skill: a filled point at or above the threshold, a hollow triangle below it, the rolling mean."""

    def draw() -> Figure:
        figure, axes = _figure(3.0, 1.75)
        _course(axes, course)
        return figure

    return draw


def skill_courses(courses: Sequence[SkillCourse]) -> Draw:
    """Several of them in one picture."""

    def draw() -> Figure:
        columns = min(4, len(courses))
        rows = -(-len(courses) // columns)
        figure = Figure(figsize=(3.0 * columns, 2.0 * rows), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False)
        for place, axes in enumerate(grid.flat):
            if place < len(courses):
                course = courses[place]
                title = f"{shortened(plain(course.rep), 24)} · {shortened(spoken(course.skill), 28)}"
                axes.set_title(title, fontsize=8, weight="bold" if course.is_sliding else "normal")
                _course(axes, course)
            else:
                axes.set_visible(False)
        return figure

    return draw


def _course(axes: Axes, course: SkillCourse) -> None:
    numbers = [point.call_number for point in course.points]
    scores = [point.score for point in course.points]
    axes.plot(numbers, [point.rolling_mean for point in course.points], color=BLUE, linewidth=1.2, alpha=0.7)
    axes.axhline(course.threshold, color=GREY, linestyle="--", linewidth=0.9)
    for below, marker, face, edge in ((False, "o", BLUE, BLUE), (True, "v", "white", ORANGE)):
        chosen = [point for point in course.points if point.is_below is below]
        axes.plot(
            [point.call_number for point in chosen],
            [point.score for point in chosen],
            linestyle="none",
            marker=marker,
            markerfacecolor=face,
            markeredgecolor=edge,
            markersize=5 if below else 4,
        )
    spread = max([*scores, course.threshold]) - min([*scores, course.threshold]) or abs(course.threshold) or 1.0
    axes.set_ylim(min([*scores, course.threshold]) - 0.12 * spread, max([*scores, course.threshold]) + 0.12 * spread)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.tick_params(labelsize=7)
    axes.set_xlim(min(numbers) - 0.6, max(numbers) + 0.6)
    axes.set_xlabel("call", fontsize=7, labelpad=1)


def accuracy_by_week(accuracy: Sequence[Accuracy]) -> Draw:
    """The share of checked calls without a flagged claim, with its interval, and its n under it."""

    def draw() -> Figure:
        figure, axes = _figure(6.6, 2.6)
        places = range(len(accuracy))
        shares = [one.share for one in accuracy]
        below = [one.share - one.low for one in accuracy]
        above = [one.high - one.share for one in accuracy]
        axes.errorbar(places, shares, yerr=[below, above], fmt="o", color=BLUE, ecolor=GREY, capsize=3, markersize=5)
        axes.set_xticks(places, [f"{_week(one.week)}\nn {one.n:,}" for one in accuracy], fontsize=8)
        axes.set_xlim(-0.6, len(accuracy) - 0.4)
        axes.set_ylim(0, 1.04)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_ylabel("calls without\na flagged claim")
        return figure

    return draw


def driver_forest(drivers: Sequence[Driver]) -> Draw:
    """Win rates with their intervals: filled where it holds up, hollow within chance; the base rate as a line."""

    def draw() -> Figure:
        figure, axes = _figure(6.6, 0.75 + 0.36 * len(drivers))
        for place, driver in enumerate(drivers):
            wins = driver.direction == "wins"
            colour = BLUE if wins else ORANGE
            axes.plot([driver.low, driver.high], [place, place], color=colour, linewidth=1.4)
            axes.plot(
                [driver.win_rate],
                [place],
                marker="^" if wins else "v",
                markersize=7,
                markeredgecolor=colour,
                markerfacecolor=colour if driver.is_significant else "white",
            )
            axes.plot([driver.base_rate] * 2, [place - 0.4, place + 0.4], color=GREY, linestyle="--", linewidth=1.1)
        axes.set_yticks(
            range(len(drivers)),
            [
                f"{shortened(plain(driver.condition), _LONGEST_LABEL)}\n{driver.won:,} of {driver.support:,} won"
                for driver in drivers
            ],
            fontsize=7.5,
        )
        axes.set_ylim(len(drivers) - 0.4, -0.6)
        axes.set_xlim(-0.02, 1.02)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_xlabel("deals won, with the 95 % interval; dashed: the base rate")
        axes.grid(axis="x", color="#e4e8ec", linewidth=0.8)
        axes.set_axisbelow(True)
        return figure

    return draw


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _week(monday: date) -> str:
    return f"{monday.day} {monday:%b}"


def _thin_out(axes: Axes, labels: Sequence[str]) -> None:
    """At most about seven dates under a line."""
    step = -(-len(labels) // 7)
    axes.set_xticks(range(0, len(labels), step), labels[::step])


def _wrapped(label: str) -> str:
    """A label of several words, one below the other."""
    return "\n".join(shortened(line, _LONGEST_LINE) for line in label.split(" ", 1))
