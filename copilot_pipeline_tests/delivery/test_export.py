"""Exported CSV files are read correctly by spreadsheets, without formulas."""

from __future__ import annotations

import csv
import io
import re
from decimal import Decimal
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


@given(
    st.text(alphabet=st.sampled_from(" \u00a0\u200b\ufeff\u3000\x00\x1f"), max_size=3),
    st.sampled_from("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20\ufe66\u2212"),
    st.text(max_size=20),
    st.booleans(),
)
def test_no_text_becomes_a_formula(before: str, start: str, rest: str, for_excel: bool) -> None:
    """Whatever invisible characters come before it, in both variants; `raw` keeps it."""
    text = before + start + rest
    assert str(cell(text, for_excel=for_excel)).startswith("'")
    assert cell(text, raw=True) == text


def test_a_negative_number_is_not_escaped() -> None:
    """It is not a formula."""
    assert cell(-3.5) == -3.5


@pytest.mark.parametrize(
    "text",
    [
        "00012345678901234567",
        "12E45",
        "1e5",
        "007",
        "MAR1",
        "3 Mai 2026",
        "1/2",
        "10:30 PM",
        "5 %",
        "€ 5",
        "TRUE",
        "1.5",
    ],
)
def test_excel_keeps_texts_that_look_like_numbers_or_dates(text: str) -> None:
    """They are formulas whose value is the text; without the option they are unchanged."""
    assert cell(text, for_excel=True) == f'="{text}"'
    assert cell(text) == text


def test_excel_keeps_the_digits_of_long_numbers() -> None:
    """A number of more than 15 digits becomes text; shorter ones stay numbers."""
    assert cell(1234567890123456, for_excel=True) == '="1234567890123456"'
    assert cell(123456789012345, for_excel=True) == 123456789012345
    assert cell(Decimal("1.50"), for_excel=True) == "1.50"
    assert cell(0.1 + 0.2, for_excel=True) == 0.1 + 0.2


@pytest.mark.parametrize(
    "text",
    ["Müller GmbH \u2013 Überblick 会議", "discovery", "", "call_7f3a9b_a_b_c", "Q3 review of the whole plan"],
)
def test_excel_leaves_other_texts_alone(text: str) -> None:
    """A title is not a formula."""
    assert cell(text, for_excel=True) == text


@pytest.mark.parametrize("text", ["=1+1", "+49", "-007", "@x"])
def test_excel_gets_no_formulas_of_others(text: str) -> None:
    """The apostrophe stays."""
    assert cell(text, for_excel=True) == f"'{text}"


@given(st.text(alphabet='0123456789."eE=+-/: aMär', max_size=80))
def test_a_text_for_excel_is_evaluated_to_itself(text: str) -> None:
    """Whether written as it is, with an apostrophe or as a text formula."""
    made = str(cell(text, for_excel=True))
    if made.startswith('="'):
        assert made.endswith('"')
        assert made[2:-1].replace('""', '"') == text
    else:
        assert made.removeprefix("'") == text.removeprefix("'")
        assert re.fullmatch(r"\d+|\d+[eE]\d+|\d+\.\d+", made) is None
