"""Decode bodies leniently: a run is paid for, and an invalid character in a quote must not lose it."""

from __future__ import annotations

import json
import math
from typing import Any

from copilot_pipeline.clients.text import clean_text
from copilot_pipeline.errors import UnreadableBody

_MAX_COUNT = 2**63 - 1  # the largest database integer


def decode_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a body, with text that can be stored.

    Bytes that are not UTF-8, lone surrogates and control characters are replaced, and NaN and Infinity, which are not
    JSON but occur, become text. Raises `UnreadableBody` if the body is not a JSON object.
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
    """Return text that is not empty, otherwise None."""
    return value if isinstance(value, str) and value else None


def count(value: object) -> int | None:
    """Return a number as an integer that fits a database column, otherwise None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > _MAX_COUNT:
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
