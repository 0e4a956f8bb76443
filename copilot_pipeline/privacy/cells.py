"""How the cells of a table hold text: plain, in lists, as JSON, as bytes, packed or compressed by zlib."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from enum import Enum
from typing import Any

from copilot_pipeline.privacy.matching import ERASED, Matcher
from copilot_pipeline.state.bodies import pack, unpack


class Form(Enum):
    """The form of a cell."""

    TEXT = "text"
    TEXTS = "texts"
    JSON = "json"  # a JSON document as text
    BYTES = "bytes"
    PACKED = "packed"
    ZLIB = "zlib"
    OPAQUE = "opaque"  # a hash: holds no text


def texts_of(form: Form, value: Any) -> Iterator[str]:
    """Yield the texts of a cell."""
    if value is None or form is Form.OPAQUE:
        return
    if form in (Form.TEXT, Form.JSON):
        yield str(value)
    elif form is Form.TEXTS:
        yield from (item for item in value if item is not None)
    else:
        yield _content(form, value)


def masked(form: Form, value: Any, matcher: Matcher) -> Any:
    """Return a cell without the person; the same object if it does not have them."""
    if value is None or form is Form.OPAQUE:
        return value
    if form is Form.TEXTS:
        items = [None if item is None else _masked_text(item, matcher) for item in value]
        return value if items == list(value) else items
    content = str(value) if form in (Form.TEXT, Form.JSON) else _content(form, value)
    changed = _masked_text(content, matcher)
    if changed == content:
        return value
    return changed if form in (Form.TEXT, Form.JSON) else _encoded(form, changed)


def _masked_text(content: str, matcher: Matcher) -> str:
    """Mask a text: of a JSON document its single texts, so that it stays one; of one that names a call, the whole text.

    Digits that are numbers of a document, and the letters of its escapes, are none of the person's.
    """
    names_call = matcher.calls_in(content) > 0
    masked = matcher.mask(content)
    if masked == content and not names_call:
        return content
    document = _document(content)
    if document is not None:
        return json.dumps(matcher.mask_value(document), ensure_ascii=False)
    return ERASED if names_call else masked


def _document(content: str) -> dict[str, Any] | list[Any] | None:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict | list) else None


def _content(form: Form, value: Any) -> str:
    raw = bytes(value)
    if form is Form.PACKED:
        raw = unpack(raw)
    elif form is Form.ZLIB:
        raw = zlib.decompress(raw)
    return raw.decode("utf-8", "surrogateescape")


def _encoded(form: Form, content: str) -> bytes:
    raw = content.encode("utf-8", "surrogateescape")
    if form is Form.PACKED:
        return pack(raw)
    return zlib.compress(raw) if form is Form.ZLIB else raw
