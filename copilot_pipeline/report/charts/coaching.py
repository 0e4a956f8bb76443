"""Scores of skills in call order, as small multiples."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from copilot_pipeline.report.charts.style import BLUE, GREY, INK, ORANGE, Draw, single, week_label
from copilot_pipeline.report.formatting import plain, score, shortened, skill_name
from copilot_pipeline.report.model import SkillSeries

Range = tuple[float, float]

_COLUMNS = 3  # the width that the Dagster UI shows without clipping


def skill_panel(series: SkillSeries, among: Sequence[SkillSeries] = ()) -> Draw:
    """Draw a rep's skill: filled points at or above the threshold, hollow triangles below it, and the rolling mean.

    `among` are the other series on the page: series of the same skill share their scale.
    """

    def draw() -> Figure:
        figure, axes = single(2.7, 1.6)
        _series(axes, series, _scale([series, *among], series.skill))
        return figure

    return draw


def skill_panels(skill_series: Sequence[SkillSeries]) -> Draw:
    """Draw several series in one figure."""

    def draw() -> Figure:
        columns = min(_COLUMNS, len(skill_series))
        rows = -(-len(skill_series) // columns)
        figure = Figure(figsize=(3.0 * columns, 2.0 * rows), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False)
        for index, axes in enumerate(grid.flat):
            if index < len(skill_series):
                series = skill_series[index]
                title = f"{shortened(plain(series.rep), 24)} · {shortened(skill_name(series.skill), 28)}"
                if series.in_regression:
                    title += "\nregression"
                axes.set_title(title, fontsize=8.5, weight="bold" if series.in_regression else "normal")
                _series(axes, series, _scale(skill_series, series.skill))
            else:
                axes.set_visible(False)
        return figure

    return draw


def _scale(skill_series: Sequence[SkillSeries], skill: str) -> Range:
    """Return the range of the skill's scores and thresholds, with a margin."""
    values = [
        value
        for series in skill_series
        if series.skill == skill
        for value in (series.threshold, *(point.score for point in series.points))
    ]
    low, high = min(values), max(values)
    margin = 0.14 * (high - low or abs(high) or 1.0)
    return low - margin, high + margin


def _series(axes: Axes, series: SkillSeries, scale: Range) -> None:
    numbers = [point.call_number for point in series.points]
    axes.plot(numbers, [point.rolling_mean for point in series.points], color=BLUE, linewidth=1.2, alpha=0.7)
    axes.axhline(series.threshold, color=GREY, linestyle="--", linewidth=0.9)
    for below, marker, face, edge in ((False, "o", BLUE, BLUE), (True, "v", "white", ORANGE)):
        chosen = [point for point in series.points if point.is_below is below]
        axes.plot(
            [point.call_number for point in chosen],
            [point.score for point in chosen],
            linestyle="none",
            marker=marker,
            markerfacecolor=face,
            markeredgecolor=edge,
            markersize=5 if below else 4,
        )
    newest = series.points[-1]
    axes.annotate(
        score(newest.score), (newest.call_number, newest.score), xytext=(6, 0), textcoords="offset points",
        va="center", fontsize=8.5, weight="bold", color=INK, annotation_clip=False,
    )  # fmt: skip
    axes.set_ylim(scale)
    axes.yaxis.set_major_locator(MaxNLocator(3))
    first, last = series.points[0], series.points[-1]
    ends = {first.call_number: first, last.call_number: last}
    axes.set_xticks(list(ends), [week_label(point.started_at.date()) for point in ends.values()])
    axes.tick_params(labelsize=8.5, length=2)
    spread = max(numbers) - min(numbers)
    axes.set_xlim(min(numbers) - 0.6, max(numbers) + 0.6 + 0.12 * spread)
