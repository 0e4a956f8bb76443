"""A spreadsheet reads it as it is meant, and runs nothing of it."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copilot_pipeline.delivery.export import COLUMNS, cell, write_csv
from copilot_pipeline_tests.delivery.examples import KIT, scored


def written(*calls: Any, bricks: tuple[str, ...] = ("b",)) -> str:
    """The file's text."""
    file = io.StringIO(newline="")
    write_csv(file, calls, [(KIT, name) for name in bricks])
    return file.getvalue()


def test_a_row_a_call_and_a_column_a_brick() -> None:
    """Lines end as RFC 4180 has it; null is an empty cell, no zero and no FALSE."""
    text = written(scored({"b": True, "n": 0.5, "l": ["x", "y"], "z": None}), bricks=("b", "n", "l", "z"))
    head, row, end = text.split("\r\n")
    assert head.endswith("deal_signals.b,deal_signals.n,deal_signals.l,deal_signals.z")
    assert row.endswith('TRUE,0.5,"x, y",')
    assert "2026-03-10 12:00:00" in row
    assert end == ""


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1", '=HYPERLINK("x")'])
def test_a_text_is_never_a_formula(text: str) -> None:
    """Titles and quotes come from outside."""
    assert str(cell(text)).startswith("'")


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00")), st.text("ab\",\n\r=+-@ '")
)
def test_any_text_survives(title: str, value: str) -> None:
    """What a CSV reader gets back is what was written, but for the apostrophe."""
    rows = list(csv.reader(io.StringIO(written(scored({"b": value}, title=title)), newline="")))
    assert len(rows) == 2
    assert rows[1][COLUMNS.index("title")].removeprefix("'") == title.removeprefix("'")
    assert rows[1][-1].removeprefix("'") == value.removeprefix("'")


def test_numbers_stay_numbers() -> None:
    """A negative score is no formula."""
    assert cell(-3.5) == -3.5
