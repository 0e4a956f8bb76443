"""A table of calls and scores for a spreadsheet: CSV after RFC 4180, and no cell that a spreadsheet would run. Pure."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

from copilot_pipeline.delivery.mapping import as_text, plain
from copilot_pipeline.marts.model import ScoredCall

COLUMNS = (
    "call_id", "call_date", "started_at", "title", "rep_name", "account_name", "deal_name", "deal_id",
    "deal_stage_live", "deal_value", "duration_s", "review_url",
)  # fmt: skip
LONGEST_CELL = 32_000  # characters; a cell holds 32,767 in Excel, 50,000 in Sheets
# What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection), full-width forms included.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def write_csv(file: TextIO, calls: Iterable[ScoredCall], bricks: Sequence[tuple[str, str]]) -> int:
    """A row a call, a column a brick (`kit.brick`). Returns the rows.

    The file must be opened as text without translation of line ends (`newline=""`); UTF-8 is what Sheets expects.
    """
    writer = csv.writer(file, lineterminator="\r\n")
    headings = ("started_at_utc" if name == "started_at" else name for name in COLUMNS)
    writer.writerow([*headings, *(cell(f"{kit}.{brick}") for kit, brick in bricks)])
    rows = 0
    for call in calls:
        answers = (call.bricks.get(place) for place in bricks)
        writer.writerow(
            [
                *(cell(call.fields.get(name)) for name in COLUMNS),
                *(cell(answer.value if answer else None) for answer in answers),
            ]
        )
        rows += 1
    return rows


def cell(value: Any) -> str | float | int:
    """The value as a spreadsheet reads it: numbers as numbers, TRUE and FALSE, lists with commas, nothing for null.

    Moments are in UTC as `2026-03-09 14:30:00`, which Sheets and Excel take for a moment (an offset they do not).
    A text that would be a formula gets an apostrophe in front, which spreadsheets do not show.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return value
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    text = ", ".join(as_text(item) for item in value) if isinstance(value, list) else as_text(plain(value))
    text = text[:LONGEST_CELL]
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA_STARTS) else text
