"""Heat map of MEDDICC coverage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Sequence
from datetime import date

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from copilot_pipeline.marts.intervals import percent, share_of
from copilot_pipeline.report.charts.style import (
    NARROW,
    PERCENT_SUFFIX,
    WIDE,
    Draw,
    label_columns,
    label_rows,
    label_width,
    single,
    text_colour_on,
    week_label,
    wrapped,
)
from copilot_pipeline.report.formatting import display_name, in_meddicc_order, plain, shortened
from copilot_pipeline.report.model import Coverage

_MAX_WEEKS_NARROW = 4
_MAX_CELL_WIDTH, _MIN_WORD_WIDTH = 0.95, 0.7  # inches
_MIN_SHADE, _MAX_SHADE = 0.06, 0.86
_TO = "\N{EN DASH}"
_ROW, _LINE = 0.48, 0.16  # inches: of a share with its interval; of one more line


def coverage_map(
    coverage: Sequence[Coverage], *, are_weeks: bool, width: float = WIDE, incomplete: Container[date] = ()
) -> Draw:
    """Draw elements by week or rep; each cell shows its share with the 95 % interval, and n if it differs within the
    group. `incomplete` weeks are marked.
    """

    def draw() -> Figure:
        groups = list(dict.fromkeys(one.group for one in coverage))
        if are_weeks and width == NARROW:
            groups = groups[-_MAX_WEEKS_NARROW:]
        shown = [one for one in coverage if one.group in set(groups)]
        elements = in_meddicc_order({one.element for one in shown})
        counts = _counts(shown)
        # Weeks are columns; reps are rows, because they may be many and have long names.
        rows, columns = (elements, groups) if are_weeks else (groups, elements)
        row_labels = [_row_label(one, None if are_weeks else counts[one], width) for one in rows]
        cell = min(_MAX_CELL_WIDTH, (width - label_width(row_labels)) / len(columns))
        height = 0.8 + (_ROW + (_LINE if any(len(of_group) > 1 for of_group in counts.values()) else 0.0)) * len(rows)
        figure, axes = single(min(width, label_width(row_labels) + cell * len(columns)), height)
        for one in shown:
            row, column = (one.element, one.group) if are_weeks else (one.group, one.element)
            position = columns.index(column), rows.index(row)
            _draw_cell(axes, position, one, with_n=len(counts[one.group]) > 1, with_suffix=width == WIDE)
        axes.set_xlim(-0.5, len(columns) - 0.5)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        if are_weeks:
            labels = [_with_count(week_label(date.fromisoformat(one), incomplete), counts[one]) for one in columns]
            label_columns(axes, labels, 8.5, above=True)
        else:
            _label_elements(axes, columns, cell)
        label_rows(axes, row_labels, 9 if width == WIDE else 8.5)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        return figure

    return draw


def _counts(coverage: Sequence[Coverage]) -> dict[str, set[int]]:
    """Return the numbers of calls of each group: one, if it is the same for all elements."""
    counts: defaultdict[str, set[int]] = defaultdict(set)
    for one in coverage:
        counts[one.group].add(one.n)
    return counts


def _label_elements(axes: Axes, elements: Sequence[str], cell_width: float) -> None:
    """Write the names of elements above the columns, upright if the cells are too narrow for a word."""
    if cell_width >= _MIN_WORD_WIDTH:
        label_columns(axes, [wrapped(display_name(one), 11) for one in elements], 8.5, above=True)
        return
    names = [wrapped(display_name(one), 18) for one in elements]
    axes.set_xticks(range(len(elements)), names, fontsize=8.5, rotation=90)
    axes.xaxis.tick_top()


def _draw_cell(axes: Axes, position: tuple[int, int], coverage: Coverage, *, with_n: bool, with_suffix: bool) -> None:
    x, y = position
    blue = mpl.colormaps["Blues"](_MIN_SHADE + (_MAX_SHADE - _MIN_SHADE) * coverage.share)
    axes.add_patch(mpl.patches.Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=blue))
    colour = text_colour_on(blue)
    share = percent(coverage.share) if with_suffix else percent(coverage.share).removesuffix(PERCENT_SUFFIX)
    interval = share_of(coverage.covered, coverage.n)
    lines = [f"{(interval.low or 0) * 100:.0f}{_TO}{(interval.high or 0) * 100:.0f}"]
    lines += [f"n {coverage.n:,}"] if with_n else []
    step = 0.92 / (len(lines) + 1.3)  # of the cell, for each of the small lines
    top = y - 0.46
    axes.text(x, top + 0.65 * step, share, ha="center", va="center", color=colour)
    for number, line in enumerate(lines):
        axes.text(x, top + (1.6 + number) * step, line, ha="center", va="center", color=colour, fontsize=8.5)


def _row_label(name: str, counts: set[int] | None, width: float) -> str:
    """Return the label of an element, or with counts that of a rep."""
    longest = 30 if width == WIDE else 13
    if counts is None:
        return wrapped(display_name(name), longest)
    label = shortened(plain(name), longest)
    between = ", " if width == WIDE else "\n"
    return f"{label}{between}n {min(counts):,}" if len(counts) == 1 else label


def _with_count(label: str, counts: set[int]) -> str:
    return f"{label}\nn {min(counts):,}" if len(counts) == 1 else label
