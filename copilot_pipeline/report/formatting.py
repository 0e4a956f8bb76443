"""Words of the page and the pictures."""

from __future__ import annotations

import re
from collections.abc import Iterable

from copilot_pipeline.marts.brick_roles import ELEMENTS

# What XML cannot hold, and what would turn or hide the text around it.
_CONTROL = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff"
_DIRECTION = "\u200b-\u200f\u202a-\u202e\u2066-\u2069"
_UNFIT = re.compile(f"[{_CONTROL}{_DIRECTION}]")


def plain(text: str) -> str:
    """A text that may stand anywhere: on one line, without control characters."""
    return " ".join(_UNFIT.sub(" ", text).split())


def shortened(text: str, longest: int) -> str:
    """Cut at the end, visibly."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def spoken(key: str) -> str:
    """A key as people say it: `decision_process` is decision process."""
    return plain(key.replace("_", " "))


def skill_name(key: str) -> str:
    """A skill as people say it: `objection_handling_score` is objection handling."""
    return spoken(key).removesuffix(" score") or spoken(key)


def score(value: float) -> str:
    """A score in as many digits as can be compared: `0.41`, `62.5`."""
    return f"{value:.2f}" if abs(value) < 10 else f"{value:,.4g}"


def some(count: int, noun: str) -> str:
    """A count of things: `1 call`, `1,204 calls`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def in_order(elements: Iterable[str]) -> list[str]:
    """The elements as MEDDICC spells them, others after these."""
    order = list(ELEMENTS)
    return sorted(elements, key=lambda one: (order.index(one) if one in order else len(order), one))
