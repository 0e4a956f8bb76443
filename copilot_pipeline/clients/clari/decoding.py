"""From bytes to clean values: JSON that is not quite JSON, and fields whose type varies.

msgspec reads almost every body. What it refuses but real bodies contain (half a surrogate pair in an escape, bytes that
are no UTF-8, NaN and Infinity as literals) goes through the standard library and is then cleaned: after `decode` no
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

_SIGNED_ADDRESSES = frozenset({"audio_url", "video_url"})  # die after 4 hours (contract trap 19): no change of the call
_LARGEST_COUNT = 2**31 - 1
_LONGEST_ID_BYTES = 1024  # an index of PostgreSQL takes 2,700 bytes a row, and an id shares it with other columns
_FIRST_MILLISECOND_STAMP = 100_000_000_000  # above it (the year 5138 in seconds) an epoch number counts milliseconds


def decode(body: bytes, path: str = "$") -> Any:
    """The body as clean plain values; raises `UnreadableBody` when it is not JSON by any reading."""
    try:
        try:
            value = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _cleaned(_decode_patiently(body, path))
        return _cleaned(value) if b"\\u0000" in body else value
    except RecursionError:
        raise UnreadableBody(f"{path}: nested too deeply") from None


def _decode_patiently(body: bytes, path: str) -> Any:
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
    """The items of a list page as their own bytes, and the `pagination` object (empty where there is none).

    An item is cut out unread, so that one bad call cannot take its page with it. A page without `calls` is an error,
    not an empty page: taken as empty, it would end a listing early without a trace.
    """
    try:
        if bare_array_allowed and body.lstrip()[:1] == b"[":
            return [bytes(item) for item in msgspec.json.decode(body, type=list[msgspec.Raw])], {}
        page = msgspec.json.decode(body, type=_WrappedCalls)
        return [bytes(item) for item in page.calls], mapping(page.pagination)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        value = _decode_patiently(body, "$")
        if not (bare_array_allowed and isinstance(value, list)):
            value = expect_mapping(value, "$")
            items = value.get("calls")
        else:
            items, value = value, {}
        if not isinstance(items, list):
            raise UnreadableBody("$.calls: expected an array")
        # Escapes are kept as escapes here: the stored item must mean what was sent.
        return [json.dumps(item).encode("ascii") for item in items], mapping(_cleaned(value.get("pagination")))
    except RecursionError:
        raise UnreadableBody("$: nested too deeply") from None


def content_hash(item: Mapping[str, Any]) -> str:
    """A fingerprint of everything in a listed item but the signed media addresses."""
    kept = {key: value for key, value in item.items() if key not in _SIGNED_ADDRESSES}
    try:
        canonical = json.dumps(kept, sort_keys=True, separators=(",", ":"))
    except RecursionError:
        raise UnreadableBody("$: nested too deeply") from None
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def json_text(value: Any) -> str | None:
    """A nested value as JSON text, for a column; None where there is nothing (null, or an empty list or object)."""
    if value is None or value in ([], {}):
        return None
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        return None


def expect_mapping(value: Any, path: str) -> dict[str, Any]:
    """The object, or `UnreadableBody`."""
    if not isinstance(value, dict):
        raise UnreadableBody(f"{path}: expected an object")
    return value


def expect_id(value: Any, path: str) -> str:
    """The id of a call, which it cannot be without, or `UnreadableBody`."""
    found = identifier(value)
    if found is None:
        raise UnreadableBody(f"{path}: expected an id")
    if len(found.encode()) > _LONGEST_ID_BYTES:
        raise UnreadableBody(f"{path}: longer than {_LONGEST_ID_BYTES:,} bytes")
    return found


def mapping(value: Any) -> dict[str, Any]:
    """The object, or an empty one where something else stands: for optional parts."""
    return value if isinstance(value, dict) else {}


def mappings(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; anything else in it, or instead of it, is passed over."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(value: Any) -> str | None:
    """Text that says something, without outer blanks; numbers count as text. None otherwise."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return _digits(value)


def texts(value: Any) -> tuple[str, ...]:
    """Several texts from a list or from one bare text (contract 1.6: `contact_ids` comes as both)."""
    items = value if isinstance(value, list) else [value]
    return tuple(found for item in items if (found := text(item)) is not None)


def identifier(value: Any) -> str | None:
    """An id as text: 0 is an id, and 1, 1.0 and "1" are the same one (contract traps 7 and 8)."""
    if isinstance(value, float) and value.is_integer():
        return _digits(int(value))
    return text(value)


def _digits(value: int | float) -> str | None:
    try:
        return str(value)
    except ValueError:  # more digits than Python will write
        return None


def number(value: Any) -> float | None:
    """A finite number, also from text such as "5.4"; "NaN" is none (contract trap 13)."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def count(value: Any) -> int | None:
    """A whole number that a database integer can hold."""
    found = number(value)
    return int(found) if found is not None and abs(found) <= _LARGEST_COUNT else None


def flag(value: Any) -> bool | None:
    """True or False where it says so."""
    return value if isinstance(value, bool) else None


def moment(value: Any) -> datetime | None:
    """An aware UTC instant from ISO 8601 text or epoch seconds or milliseconds; None where it cannot be read.

    A time without a zone is taken as UTC, which is all the API was ever seen to send (contract 1.6).
    """
    try:
        if isinstance(value, str):
            found = datetime.fromisoformat(value.strip())
        elif isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value / 1000 if abs(value) >= _FIRST_MILLISECOND_STAMP else value
            found = datetime.fromtimestamp(seconds, UTC)
        else:
            return None
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
