"""Words of the page and the pictures."""

from __future__ import annotations

import re

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
