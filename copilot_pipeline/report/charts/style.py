"""How every picture is drawn: its style, its sizes, its way into SVG and PNG.

SVG keeps text as text: browsers then find a font for names in any script.
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

from copilot_pipeline.report.formatting import shortened

Draw = Callable[[], Figure]

# Inches, as the browser shows them: the page's column on a laptop, and on a phone of 360 pixels.
WIDE, NARROW = 9.6, 3.2
INK, GREY, PALE, BLUE, ORANGE = "#1d2733", "#6b7682", "#e4e8ec", "#1f5fa8", "#b84a06"
SIGN = " %"  # behind a number, as the page writes it
# The page's own fonts. matplotlib measures with the wide one that it brings along: others need no more room.
FONTS = (
    "-apple-system, BlinkMacSystemFont, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', 'DejaVu Sans Condensed', "
    "'DejaVu Sans', sans-serif"
)
_MEASURED_WITH = "DejaVu Sans"
_INCHES_A_LETTER = 0.085  # of a label
# matplotlib keeps its style in one place for all threads.
_STYLE_LOCK = Lock()


def as_svg(draw: Draw) -> bytes:
    """A picture for the page, without a background of its own."""
    with _style():
        target = io.BytesIO()
        # Without a date the same data makes the same bytes.
        draw().savefig(target, format="svg", transparent=True, metadata={"Date": None})
    return target.getvalue().replace(f"'{_MEASURED_WITH}', sans-serif".encode(), FONTS.encode())


def as_png(draw: Draw) -> bytes:
    """A picture for the Dagster UI."""
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
            "text.parse_math": False,  # a `$` in a name is a `$`
            "font.family": "sans-serif",
            "font.sans-serif": [_MEASURED_WITH],
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
        # The browser has the fonts that matplotlib lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        yield


def single(width: float, height: float) -> tuple[Figure, Axes]:
    """A picture with one set of axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def room_for(labels: Sequence[str]) -> float:
    """Inches that labels beside the axes need."""
    return 0.3 + _INCHES_A_LETTER * max(len(line) for label in labels for line in label.split("\n"))


def label_rows(axes: Axes, labels: Sequence[str], size: float, places: Sequence[float] = ()) -> None:
    """Labels of one or more lines, right-aligned beside their rows: the first at 0, the next at 1, or at `places`.

    Each line is a text of its own: one text of several lines would be aligned by the width that its letters have in
    another font than the browser's.
    """
    axes.set_yticks([])
    for place, label in zip(places or range(len(labels)), labels, strict=True):
        lines = label.split("\n")
        for number, line in enumerate(lines):
            down = (number - (len(lines) - 1) / 2) * size * 1.3
            axes.annotate(
                line, (0, place), xycoords=axes.get_yaxis_transform(), xytext=(-6, -down), textcoords="offset points",
                ha="right", va="center", fontsize=size, annotation_clip=False,
            )  # fmt: skip


def label_columns(axes: Axes, labels: Sequence[str], size: float, *, above: bool) -> None:
    """Labels of one or more lines, centred above or below their columns, for the same reason."""
    axes.set_xticks([])
    for place, label in enumerate(labels):
        lines = label.split("\n")
        for number, line in enumerate(lines):
            away = (len(lines) - number if above else number + 1) * size * 1.3 - size * 0.3
            axes.annotate(
                line, (place, 1 if above else 0), xycoords=axes.get_xaxis_transform(),
                xytext=(0, away if above else -away), textcoords="offset points",
                ha="center", va="center", fontsize=size, annotation_clip=False,
            )  # fmt: skip


def readable_on(colour: tuple[float, ...]) -> str:
    """Ink or white, whichever stands out more on a colour."""
    light = sum(share * _linear(part) for share, part in zip((0.2126, 0.7152, 0.0722), colour, strict=False))
    return "white" if 1.05 / (light + 0.05) > (light + 0.05) / (_INK_LIGHT + 0.05) else INK


def _linear(part: float) -> float:
    """A part of a colour as light (sRGB)."""
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)


_INK_LIGHT = 0.02


def week_label(monday: date) -> str:
    """A week, by its Monday: `16 Nov`."""
    return f"{monday.day} {monday:%b}"


def wrapped(label: str, longest: int, lines: int = 2) -> str:
    """A label on a few lines, cut visibly where these do not hold it."""
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


def only_some(axes: Axes, labels: Sequence[str], most: int) -> None:
    """At most so many labels under the axes, the last one among them."""
    step = -(-len(labels) // most)
    places = range((len(labels) - 1) % step, len(labels), step) if labels else range(0)
    axes.set_xticks(places, [labels[place] for place in places])
