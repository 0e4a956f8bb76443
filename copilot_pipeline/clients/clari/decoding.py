"""Decode bodies: JSON with common defects, and fields whose type varies.

msgspec decodes almost every body. Defects that it refuses but that occur (half a surrogate pair in an escape, bytes
that are not UTF-8, NaN and Infinity as literals) are decoded by the standard library and cleaned: after `decode` no
string holds a lone surrogate or NUL, which PostgreSQL refuses, and no number is NaN or infinite.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from copilot_pipeline.clients.text import clean_text
from copilot_pipeline.errors import UnreadableBody

_SIGNED_URLS = frozenset({"audio_url", "video_url"})  # expire after 4 hours (contract trap 19): no change
_MAX_COUNT = 2**31 - 1
_MAX_ID_BYTES = 1024  # a PostgreSQL index entry has 2,700 bytes, which an id shares with other columns
_MIN_MILLISECONDS = 100_000_000_000  # from here (the year 5138 in seconds) an epoch number counts milliseconds


def decode(body: bytes, path: str = "$") -> Any:
    """Return the body as clean Python values. Raises `UnreadableBody` if it is not JSON."""
    try:
        try:
            value = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _cleaned(_decode_leniently(body, path))
        return _cleaned(value) if b"\\u0000" in body else value
    except RecursionError:
        raise UnreadableBody(f"{path}: nested too deeply") from None


def _decode_leniently(body: bytes, path: str) -> Any:
    if not body.strip():
        raise UnreadableBody(f"{path}: empty")
    try:
        return json.loads(body.decode("utf-8-sig", errors="replace"), strict=False)
    except json.JSONDecodeError as error:
        raise UnreadableBody(f"{path}: not JSON (character {error.pos})") from None
    except ValueError:  # an integer of thousands of digits
        raise UnreadableBody(f"{path}: a number is too long") from None


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {clean_text(key): _cleaned(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


class _WrappedCalls(msgspec.Struct):
    calls: list[msgspec.Raw]
    pagination: Any = None


def split_page(body: bytes, *, bare_array_allowed: bool = False) -> tuple[list[bytes], Mapping[str, Any]]:
    """Return the bytes of each item of a list page, and the `pagination` object (empty if absent).

    Items are not parsed, so that a defect of one does not affect the others. A page without `calls` raises
    `UnreadableBody`: treated as an empty page, it would end a listing early without an error.
    """
    try:
        if bare_array_allowed and body.lstrip()[:1] == b"[":
            return [bytes(item) for item in msgspec.json.decode(body, type=list[msgspec.Raw])], {}
        page = msgspec.json.decode(body, type=_WrappedCalls)
        return [bytes(item) for item in page.calls], mapping(page.pagination)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        value = _decode_leniently(body, "$")
        if not (bare_array_allowed and isinstance(value, list)):
            value = expect_mapping(value, "$")
            items = value.get("calls")
        else:
            items, value = value, {}
        if not isinstance(items, list):
            raise UnreadableBody("$.calls: expected an array")
        # ASCII with escapes, so that the stored item has the content that was sent, lone surrogates included.
        return [json.dumps(item).encode("ascii") for item in items], mapping(_cleaned(value.get("pagination")))
    except RecursionError:
        raise UnreadableBody("$: nested too deeply") from None


def content_hash(item: Mapping[str, Any]) -> str:
    """Return a hash of a list item without its signed media URLs."""
    unsigned = {key: value for key, value in item.items() if key not in _SIGNED_URLS}
    try:
        canonical = json.dumps(unsigned, sort_keys=True, separators=(",", ":"))
    except RecursionError:
        raise UnreadableBody("$: nested too deeply") from None
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def json_text(value: Any) -> str | None:
    """Return a nested value as JSON text for a column; None for null and for an empty list or object."""
    if value is None or value in ([], {}):
        return None
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        return None


def expect_mapping(value: Any, path: str) -> dict[str, Any]:
    """Return the object. Raises `UnreadableBody` for any other type."""
    if not isinstance(value, dict):
        raise UnreadableBody(f"{path}: expected an object")
    return value


def expect_id(value: Any, path: str) -> str:
    """Return the id of a call. Raises `UnreadableBody` if it is missing or too long."""
    call_id = identifier(value)
    if call_id is None:
        raise UnreadableBody(f"{path}: expected an id")
    if len(call_id.encode()) > _MAX_ID_BYTES:
        raise UnreadableBody(f"{path}: longer than {_MAX_ID_BYTES:,} bytes")
    return call_id


def mapping(value: Any) -> dict[str, Any]:
    """Return the object, an empty one for any other type: for optional parts."""
    return value if isinstance(value, dict) else {}


def mappings(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a list, without items of other types."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(value: Any) -> str | None:
    """Return stripped text, or a number as text; None if it is empty or of another type."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return _digits(value)


def texts(value: Any) -> tuple[str, ...]:
    """Return the texts of a list or of a single text (contract 1.6: `contact_ids` is sent as both)."""
    items = value if isinstance(value, list) else [value]
    return tuple(parsed for item in items if (parsed := text(item)) is not None)


def identifier(value: Any) -> str | None:
    """Return an id as text: 0 is an id, and 1, 1.0 and "1" are the same one (contract traps 7 and 8)."""
    if isinstance(value, float) and value.is_integer():
        return _digits(int(value))
    return text(value)


def _digits(value: int | float) -> str | None:
    try:
        return str(value)
    except ValueError:  # more digits than Python will write
        return None


def number(value: Any) -> float | None:
    """Return a finite number, also from text such as "5.4"; None for "NaN" (contract trap 13)."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        parsed = float(value)
    except (ValueError, OverflowError):
        return None
    return parsed if math.isfinite(parsed) else None


def count(value: Any) -> int | None:
    """Return an integer that fits a database column, otherwise None."""
    parsed = number(value)
    return int(parsed) if parsed is not None and abs(parsed) <= _MAX_COUNT else None


def flag(value: Any) -> bool | None:
    """Return a boolean, None for any other type."""
    return value if isinstance(value, bool) else None


def moment(value: Any) -> datetime | None:
    """Return an aware UTC time from ISO 8601 text or epoch seconds or milliseconds; None if it cannot be parsed.

    A time without a zone is UTC, the only zone the API was seen to send (contract 1.6).
    """
    try:
        if isinstance(value, str):
            parsed = datetime.fromisoformat(value.strip())
        elif isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value / 1000 if abs(value) >= _MIN_MILLISECONDS else value
            parsed = datetime.fromtimestamp(seconds, UTC)
        else:
            return None
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def readable_time(body: bytes) -> datetime | None:
    """Return the time of a list item that cannot be parsed otherwise, in either dialect; None if it has none."""
    try:
        item = mapping(decode(body))
    except UnreadableBody:
        return None
    return moment(item.get("time")) or moment(item.get("started_at"))
