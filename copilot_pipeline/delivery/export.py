"""Export calls and scores for spreadsheets: CSV without formulas. Pure."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TextIO

from copilot_pipeline.delivery.mapping import to_json_value, to_text
from copilot_pipeline.marts.model import ScoredCall
from copilot_pipeline.spreadsheets import without_formula

COLUMNS = (
    "call_id", "call_date", "started_at", "title", "rep_name", "account_name", "deal_name", "deal_id",
    "deal_stage_live", "deal_value", "deal_currency", "duration_s", "review_url",
)  # fmt: skip
MAX_CELL_CHARACTERS = 32_000  # a cell holds 32,767 in Excel, 50,000 in Sheets
_EXCEL_DIGITS = 15  # of a number; the others become zeros
_MAX_CONVERTED_CHARACTERS = 64  # longer texts are neither numbers nor dates; a text in a formula has at most 255
_MAX_WORDS_IN_A_DATE = 3  # "Mon 3 Mar 2026 10:30 PM"
_WORD = re.compile(r"[^\W\d_]+")
_TRUTH_VALUES = ("true", "false", "wahr", "falsch", "vrai", "faux", "verdadero", "falso", "vero", "waar", "onwaar")


def write_csv(
    file: TextIO,
    calls: Iterable[ScoredCall],
    bricks: Sequence[tuple[str, str]],
    *,
    for_excel: bool = False,
    raw: bool = False,
) -> int:
    """Write a row per call and a column per brick (`kit.brick`).

    Returns the number of rows.

    Open the file as text without translation of line ends (`newline=""`); Sheets expects UTF-8, Excel UTF-8 with a
    byte-order mark (`utf-8-sig`).
    """
    headings = ["started_at_utc" if name == "started_at" else name for name in COLUMNS]
    rows = (
        [
            *(call.fields.get(name) for name in COLUMNS),
            *(answer.value if answer else None for answer in map(call.bricks.get, bricks)),
        ]
        for call in calls
    )
    names = [*headings, *(f"{kit}.{brick}" for kit, brick in bricks)]
    return write_rows(file, names, rows, for_excel=for_excel, raw=raw)


def write_rows(
    file: TextIO, names: Sequence[str], rows: Iterable[Sequence[Any]], *, for_excel: bool = False, raw: bool = False
) -> int:
    """Write a header and rows of cells. Returns the number of rows."""
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow([cell(name, for_excel=for_excel, raw=raw) for name in names])
    count = 0
    for count, row in enumerate(rows, start=1):  # noqa: B007  the last count is returned
        writer.writerow([cell(value, for_excel=for_excel, raw=raw) for value in row])
    return count


def cell(value: Any, *, for_excel: bool = False, raw: bool = False) -> str | float | int:
    """Convert a value to a cell.

    Numbers stay numbers, booleans become TRUE and FALSE, lists are joined with commas, null is empty.

    Times are in UTC as `2026-03-09 14:30:00`, which Sheets and Excel parse (they do not parse offsets).
    A text that would be a formula gets a leading apostrophe, which spreadsheets do not display; not if `raw`.

    Excel reads a text that looks like a number or a date as one, even in quotes: `007` becomes 7, `12E45` and ids of
    more than 15 digits lose digits, `MAR1` becomes a date. `for_excel` writes those as `="007"`, a formula whose
    value is the text.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float | Decimal):
        if for_excel and sum(map(str.isdigit, str(value))) > _EXCEL_DIGITS and not isinstance(value, float):
            return _text_formula(str(value))
        return str(value) if isinstance(value, Decimal) else value
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC) if value.tzinfo else value:%Y-%m-%d %H:%M:%S}"
    text = ", ".join(to_text(item) for item in value) if isinstance(value, list) else to_text(to_json_value(value))
    text = text[:MAX_CELL_CHARACTERS]
    if not raw and (escaped := without_formula(text)) != text:
        return escaped
    if for_excel and not isinstance(value, date) and _may_be_converted(text):
        return _text_formula(text)
    return text


def _may_be_converted(text: str) -> bool:
    """Return whether Excel might read the text as a number, a date, a time or a truth value, in any language.

    More texts than necessary: `Acme 2` also has a digit and one word, as `MAR 2` has.
    """
    if len(text) > _MAX_CONVERTED_CHARACTERS:
        return False
    words = len(_WORD.findall(text))
    return words <= _MAX_WORDS_IN_A_DATE if any(map(str.isdigit, text)) else text.strip().lower() in _TRUTH_VALUES


def _text_formula(text: str) -> str:
    escaped = text.replace('"', '""')
    return f'="{escaped}"'
