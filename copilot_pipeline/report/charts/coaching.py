"""Courses of skills, as small multiples."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from copilot_pipeline.report.charts.style import BLUE, GREY, INK, ORANGE, Draw, single, week_label
from copilot_pipeline.report.formatting import plain, score, shortened, skill_name
from copilot_pipeline.report.model import SkillCourse

Range = tuple[float, float]

_COLUMNS = 3  # as wide as the Dagster UI shows a picture whole


def skill_course(course: SkillCourse, among: Sequence[SkillCourse] = ()) -> Draw:
    """One rep's skill: a filled point at or above the threshold, a hollow triangle below it, the rolling mean.

    `among`: the courses beside it. Those of the same skill have the same scale, so that they can be compared.
    """

    def draw() -> Figure:
        figure, axes = single(2.85, 1.55)
        _course(axes, course, _scale([course, *among], course.skill))
        return figure

    return draw


def skill_courses(courses: Sequence[SkillCourse]) -> Draw:
    """Several of them in one picture."""

    def draw() -> Figure:
        columns = min(_COLUMNS, len(courses))
        rows = -(-len(courses) // columns)
        figure = Figure(figsize=(3.0 * columns, 2.0 * rows), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False)
        for place, axes in enumerate(grid.flat):
            if place < len(courses):
                course = courses[place]
                title = f"{shortened(plain(course.rep), 24)} · {shortened(skill_name(course.skill), 28)}"
                if course.is_sliding:
                    title += "\nregression"
                axes.set_title(title, fontsize=8, weight="bold" if course.is_sliding else "normal")
                _course(axes, course, _scale(courses, course.skill))
            else:
                axes.set_visible(False)
        return figure

    return draw


def _scale(courses: Sequence[SkillCourse], skill: str) -> Range:
    """From the lowest to the highest score of the skill, its thresholds among them."""
    values = [
        value
        for course in courses
        if course.skill == skill
        for value in (course.threshold, *(point.score for point in course.points))
    ]
    low, high = min(values), max(values)
    room = 0.14 * (high - low or abs(high) or 1.0)
    return low - room, high + room


def _course(axes: Axes, course: SkillCourse, scale: Range) -> None:
    numbers = [point.call_number for point in course.points]
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
    newest = course.points[-1]
    axes.annotate(
        score(newest.score), (newest.call_number, newest.score), xytext=(6, 0), textcoords="offset points",
        va="center", fontsize=8, weight="bold", color=INK, annotation_clip=False,
    )  # fmt: skip
    axes.set_ylim(scale)
    axes.yaxis.set_major_locator(MaxNLocator(3))
    first, last = course.points[0], course.points[-1]
    ends = {first.call_number: first, last.call_number: last}
    axes.set_xticks(list(ends), [week_label(point.started_at.date()) for point in ends.values()])
    axes.tick_params(labelsize=7.5, length=2)
    spread = max(numbers) - min(numbers)
    axes.set_xlim(min(numbers) - 0.6, max(numbers) + 0.6 + 0.12 * spread)
