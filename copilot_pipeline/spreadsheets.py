"""Text of others in the cells of a spreadsheet."""

from __future__ import annotations

import unicodedata
from typing import Final

# Characters that start a formula in a spreadsheet (OWASP, CSV injection), full-width and small forms included.
_FORMULA_STARTS: Final = (
    "=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20",
    "\ufe66", "\ufe62", "\ufe63", "\ufe6b", "\u2212",
)  # fmt: skip
_INVISIBLE: Final = frozenset({"Zs", "Zl", "Zp", "Cf", "Cc"})


def without_formula(text: str) -> str:
    """Put an apostrophe, which spreadsheets do not display, before a text that they would evaluate as a formula.

    Blanks and invisible characters before the formula are ignored, as some programs do when they import.
    """
    start = 0
    while start < len(text) and _is_skipped(text[start]):
        start += 1
    return f"'{text}" if text.startswith(_FORMULA_STARTS, start) else text


def _is_skipped(letter: str) -> bool:
    return letter not in _FORMULA_STARTS and unicodedata.category(letter) in _INVISIBLE
