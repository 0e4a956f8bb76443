"""Export calls and scores for spreadsheets: CSV without formulas. Pure."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

from copilot_pipeline.delivery.mapping import to_json_value, to_text
from copilot_pipeline.marts.model import ScoredCall

COLUMNS = (
    "call_id", "call_date", "started_at", "title", "rep_name", "account_name", "deal_name", "deal_id",
    "deal_stage_live", "deal_value", "duration_s", "review_url",
)  # fmt: skip
MAX_CELL_CHARACTERS = 32_000  # a cell holds 32,767 in Excel, 50,000 in Sheets
# Characters that start a formula in a spreadsheet (OWASP, CSV injection), full-width forms included.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def write_csv(file: TextIO, calls: Iterable[ScoredCall], bricks: Sequence[tuple[str, str]]) -> int:
    """Write a row per call and a column per brick (`kit.brick`).

    Returns the number of rows.

    Open the file as text without translation of line ends (`newline=""`); Sheets expects UTF-8.
    """
    writer = csv.writer(file, lineterminator="\r\n")
    headings = ("started_at_utc" if name == "started_at" else name for name in COLUMNS)
    writer.writerow([*headings, *(cell(f"{kit}.{brick}") for kit, brick in bricks)])
    rows = 0
    for call in calls:
        answers = (call.bricks.get(brick) for brick in bricks)
        writer.writerow(
            [
                *(cell(call.fields.get(name)) for name in COLUMNS),
                *(cell(answer.value if answer else None) for answer in answers),
            ]
        )
        rows += 1
    return rows


def cell(value: Any) -> str | float | int:
    """Convert a value to a cell.

    Numbers stay numbers, booleans become TRUE and FALSE, lists are joined with commas, null is empty.

    Times are in UTC as `2026-03-09 14:30:00`, which Sheets and Excel parse (they do not parse offsets).
    A text that would be a formula gets a leading apostrophe, which spreadsheets do not display.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return value
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    text = ", ".join(to_text(item) for item in value) if isinstance(value, list) else to_text(to_json_value(value))
    text = text[:MAX_CELL_CHARACTERS]
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA_STARTS) else text
