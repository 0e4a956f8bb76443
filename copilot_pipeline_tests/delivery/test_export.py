"""Exported CSV files are read correctly by spreadsheets, without formulas."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copilot_pipeline.delivery.export import COLUMNS, cell, write_csv
from copilot_pipeline_tests.delivery.examples import KIT, scored


def csv_text(*calls: Any, bricks: tuple[str, ...] = ("b",)) -> str:
    """Return the text of the file."""
    file = io.StringIO(newline="")
    write_csv(file, calls, [(KIT, name) for name in bricks])
    return file.getvalue()


def test_writes_a_row_per_call_and_a_column_per_brick() -> None:
    """Lines end as in RFC 4180; null is an empty cell, neither 0 nor FALSE."""
    text = csv_text(scored({"b": True, "n": 0.5, "l": ["x", "y"], "z": None}), bricks=("b", "n", "l", "z"))
    head, row, end = text.split("\r\n")
    assert head.endswith("deal_signals.b,deal_signals.n,deal_signals.l,deal_signals.z")
    assert row.endswith('TRUE,0.5,"x, y",')
    assert "2026-03-10 12:00:00" in row
    assert end == ""


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1", '=HYPERLINK("x")'])
def test_texts_that_start_like_a_formula_are_escaped(text: str) -> None:
    """Titles and quotes come from outside."""
    assert str(cell(text)).startswith("'")


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00")), st.text("ab\",\n\r=+-@ '")
)
def test_any_text_is_read_back_unchanged(title: str, value: str) -> None:
    """Except for the leading apostrophe."""
    rows = list(csv.reader(io.StringIO(csv_text(scored({"b": value}, title=title)), newline="")))
    assert len(rows) == 2
    assert rows[1][COLUMNS.index("title")].removeprefix("'") == title.removeprefix("'")
    assert rows[1][-1].removeprefix("'") == value.removeprefix("'")


def test_a_negative_number_is_not_escaped() -> None:
    """It is not a formula."""
    assert cell(-3.5) == -3.5
