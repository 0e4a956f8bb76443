"""Text and numbers of the page and its charts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date

from copilot_pipeline.marts.brick_roles import ELEMENTS

# Characters that XML cannot hold, and characters that reverse or hide the text around them.
_CONTROL = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff"
_DIRECTION = "\u200b-\u200f\u202a-\u202e\u2066-\u2069"
_UNSAFE = re.compile(f"[{_CONTROL}{_DIRECTION}]")
_WORD = r"[A-Za-z]\w*"


def plain(text: str) -> str:
    """Return a text on one line, without control characters."""
    return " ".join(_UNSAFE.sub(" ", text).split())


def shortened(text: str, max_length: int) -> str:
    """Cut a text at the end, with an ellipsis."""
    return text if len(text) <= max_length else text[: max_length - 1].rstrip() + "…"


def display_name(key: str) -> str:
    """Return a key as words: `decision_process` becomes `decision process`."""
    return plain(key.replace("_", " "))


def labelled(text: str, labels: Mapping[str, str]) -> str:
    """Replace the bricks before the first colon of a sentence by their labels, or the words of their codes.

    A sentence of the forecast has the words of their codes already.
    """
    condition, colon, rest = text.partition(": ")
    by_words = {display_name(code): label for code, label in labels.items()}
    names = "".join(f"{re.escape(name)}\\b|" for name in sorted(by_words, key=len, reverse=True) if " " in name)
    words = re.compile(rf"\b(?:{names}{_WORD})")
    return (
        words.sub(lambda word: labels.get(word[0]) or by_words.get(word[0]) or display_name(word[0]), condition)
        + colon
        + rest
    )


def skill_name(key: str) -> str:
    """Return a skill as words: `objection_handling_score` becomes `objection handling`."""
    return display_name(key).removesuffix(" score") or display_name(key)


def score(value: float) -> str:
    """Format a score: `0.41`, `62.5`."""
    return f"{value:.2f}" if abs(value) < 10 else f"{value:,.4g}"


def count_of(count: int, noun: str) -> str:
    """Format a count: `1 call`, `1,204 calls`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def in_meddicc_order(elements: Iterable[str]) -> list[str]:
    """Sort elements in the order of MEDDICC, others after them."""
    order = list(ELEMENTS)
    return sorted(elements, key=lambda one: (order.index(one) if one in order else len(order), one))


def month_label(month: str) -> str:
    """Format a month of the forecast: `2026-11` as `Nov 2026`, `none` as `no close date`."""
    return f"{date.fromisoformat(f'{month}-01'):%b %Y}" if month != "none" else "no close date"
