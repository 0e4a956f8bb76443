"""From an answer's bytes to clean plain values. A run is paid for: one odd character in a quote must not lose it."""

from __future__ import annotations

import json
import math
from typing import Any

from copilot_pipeline.clients.text import clean_text
from copilot_pipeline.errors import UnreadableBody

_LARGEST_COUNT = 2**63 - 1  # what a database integer can hold


def decode_object(body: bytes) -> dict[str, Any]:
    """The answer's object; no text in it holds what cannot be stored.

    Bytes that are no UTF-8, halves of surrogate pairs and bare control characters become readable text, as do NaN and
    Infinity, which JSON does not know but some servers write. Raises `UnreadableBody` where it is no JSON object.
    """
    try:
        value = _clean(json.loads(body.decode("utf-8-sig", errors="replace"), strict=False, parse_constant=str))
    except ValueError:
        raise UnreadableBody("$: not JSON") from None
    except RecursionError:
        raise UnreadableBody("$: nested too deeply") from None
    if not isinstance(value, dict):
        raise UnreadableBody("$: expected an object")
    return value


def text(value: object) -> str | None:
    """Text that is not empty, else None."""
    return value if isinstance(value, str) and value else None


def count(value: object) -> int | None:
    """A whole number that a database can hold, from a number of either kind; None otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > _LARGEST_COUNT:
        return None
    return int(value)


def _clean(value: object) -> object:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {clean_text(key): _clean(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):  # 1e400
        return str(value)
    return value
