"""Style, sizes, labels and output formats of the charts.

SVG output keeps text as text, so that browsers choose fonts for names in any script.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from threading import Lock

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from copilot_pipeline.report.formatting import shortened

Draw = Callable[[], Figure]

# Inches in the browser: the column of the page on a laptop, and on a phone of 360 pixels.
WIDE, NARROW = 9.6, 3.2
INK, GREY, PALE, BLUE, ORANGE = "#1d2733", "#6b7682", "#e4e8ec", "#1f5fa8", "#b84a06"
PERCENT_SUFFIX = " %"  # after a number, as on the page
# The fonts of the page. matplotlib measures text with its own font, which is wider than these.
FONTS = (
    "-apple-system, BlinkMacSystemFont, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', 'DejaVu Sans Condensed', "
    "'DejaVu Sans', sans-serif"
)
_METRICS_FONT = "DejaVu Sans"
_INCHES_PER_CHARACTER = 0.085
# The style of matplotlib is global, so it is set under a lock.
_STYLE_LOCK = Lock()


def as_svg(draw: Draw) -> bytes:
    """Return a chart as SVG with a transparent background, for the page."""
    with _style():
        target = io.BytesIO()
        # Without a date, the same data gives the same bytes.
        draw().savefig(target, format="svg", transparent=True, metadata={"Date": None})
    return target.getvalue().replace(f"'{_METRICS_FONT}', sans-serif".encode(), FONTS.encode())


def as_png(draw: Draw) -> bytes:
    """Return a chart as PNG, for the Dagster UI."""
    with _style():
        target = io.BytesIO()
        draw().savefig(target, format="png", dpi=100)
    return target.getvalue()


@contextmanager
def _style() -> Iterator[None]:
    style = mpl.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "copilot-pipeline",
            "text.parse_math": False,  # names may contain `$`
            "font.family": "sans-serif",
            "font.sans-serif": [_METRICS_FONT],
            "font.size": 9,
            "axes.edgecolor": GREY,
            "axes.labelcolor": INK,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.axisbelow": True,
            "grid.color": PALE,
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
        }
    )
    with _STYLE_LOCK, warnings.catch_warnings(), style:
        # The browser supplies glyphs that the font of matplotlib lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        yield


def single(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a figure with one set of axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def label_width(labels: Sequence[str]) -> float:
    """Return the width in inches of labels beside the axes."""
    return 0.3 + _INCHES_PER_CHARACTER * max(len(line) for label in labels for line in label.split("\n"))


def label_rows(axes: Axes, labels: Sequence[str], size: float, positions: Sequence[float] = ()) -> None:
    """Write labels of one or more lines right-aligned beside their rows: at 0, 1, 2, … or at `positions`.

    Each line is a separate text: matplotlib would align a text of several lines by the widths of its own font, not the
    browser's.
    """
    axes.set_yticks([])
    for position, label in zip(positions or range(len(labels)), labels, strict=True):
        lines = label.split("\n")
        for number, line in enumerate(lines):
            down = (number - (len(lines) - 1) / 2) * size * 1.3
            axes.annotate(
                line, (0, position), xycoords=axes.get_yaxis_transform(), xytext=(-6, -down),
                textcoords="offset points",
                ha="right", va="center", fontsize=size, annotation_clip=False,
            )  # fmt: skip


def label_columns(axes: Axes, labels: Sequence[str], size: float, *, above: bool) -> None:
    """Write labels of one or more lines centred above or below their columns, one text per line."""
    axes.set_xticks([])
    for position, label in enumerate(labels):
        lines = label.split("\n")
        for number, line in enumerate(lines):
            away = (len(lines) - number if above else number + 1) * size * 1.3 - size * 0.3
            axes.annotate(
                line, (position, 1 if above else 0), xycoords=axes.get_xaxis_transform(),
                xytext=(0, away if above else -away), textcoords="offset points",
                ha="center", va="center", fontsize=size, annotation_clip=False,
            )  # fmt: skip


def text_colour_on(colour: tuple[float, ...]) -> str:
    """Return ink or white, whichever has more contrast on a colour (WCAG 2)."""
    light = sum(share * _linear_light(part) for share, part in zip((0.2126, 0.7152, 0.0722), colour, strict=False))
    return "white" if 1.05 / (light + 0.05) > (light + 0.05) / (_INK_LUMINANCE + 0.05) else INK


def _linear_light(part: float) -> float:
    """Convert an sRGB component to linear light."""
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)


_INK_LUMINANCE = 0.02


def week_label(monday: date, incomplete: Container[date] = ()) -> str:
    """Format the Monday of a week: `16 Nov`, `16 Nov*` if the week is incomplete."""
    return f"{monday.day} {monday:%b}{'*' if monday in incomplete else ''}"


def wrapped(label: str, longest: int, lines: int = 2) -> str:
    """Wrap a label to a few lines, with an ellipsis if it does not fit."""
    rows, words = [""], label.split(" ")
    while words:
        word = words.pop(0)
        if not rows[-1] or len(rows[-1]) + 1 + len(word) <= longest:
            rows[-1] = f"{rows[-1]} {word}".strip()
        elif len(rows) < lines:
            rows.append(word)
        else:
            rows[-1] = f"{rows[-1]} {' '.join([word, *words])}"
            break
    return "\n".join(shortened(row, longest) for row in rows)


def label_some_weeks(axes: Axes, labels: Sequence[str], most: int) -> None:
    """Label at most `most` columns under the axes, always including the last."""
    step = -(-len(labels) // most)
    positions = range((len(labels) - 1) % step, len(labels), step) if labels else range(0)
    axes.set_xticks(positions, [labels[position] for position in positions])
