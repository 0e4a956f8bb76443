"""Strict parsing of a body: JSON or a form."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from copilot_pipeline.receiver.errors import RequestRejected, malformed

FORM = "application/x-www-form-urlencoded"
MAX_FORM_FIELDS = 1000
MAX_FORM_DEPTH = 5
_STEP = re.compile(r"__|\.|\[|\]\[?")


def decode(content_type: str | None, body: bytes) -> object:
    """Parse a body.

    Raises `RequestRejected`: 400 if it is malformed, 415 for an unsupported media type. A body without a media type,
    one of `text/plain`, and a form that begins with a brace (which is what `curl -d '{…}'` sends) are parsed as JSON.
    """
    media_type = (content_type or "").split(";")[0].strip().lower()
    text = _text(body)
    if media_type == FORM and not text.lstrip().startswith(("{", "[")):
        return _form(text)
    if media_type in ("", "application/json", "text/json", "text/plain", FORM) or media_type.endswith("+json"):
        return _json(text)
    raise RequestRejected(415, "wrong_media_type", f"send the body as application/json or as {FORM}")


def _text(body: bytes) -> str:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise malformed("not_utf8", f"the body is not UTF-8 (byte {error.start})") from None
    if not text.strip():
        raise malformed("empty", "the body is empty")
    return text


def _json(text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except RecursionError:
        raise malformed("too_deep", "the JSON is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise malformed("not_json", f"the body is not JSON (line {error.lineno}, column {error.colno})") from None
    except ValueError:
        raise malformed("not_json", "the body has a number that is too long") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        # Parsers differ in which one they keep, so the signed body would have two meanings.
        raise malformed("duplicate_key", "a JSON object has the same key twice")
    return fields


def _refuse_constant(_name: str) -> NoReturn:
    raise malformed("not_json", "NaN and Infinity are not JSON")


def _form(text: str) -> object:
    """Parse a form; `data[id]`, `data.id` and Zapier's `data__id` are equal."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FORM_FIELDS)
    except ValueError:
        raise malformed("not_a_form", f"the form is not UTF-8, or has more than {MAX_FORM_FIELDS} fields") from None
    fields: dict[str, Any] = {}
    for name, value in pairs:
        *parents, last = [step for step in _STEP.split(name, MAX_FORM_DEPTH) if step] or [""]
        mapping = _nested_mapping(fields, parents)
        values = mapping.setdefault(last, []) if mapping is not None else None
        if isinstance(values, list):
            values.append(value)
    return _single_values(fields)


def _nested_mapping(fields: dict[str, Any], names: list[str]) -> dict[str, Any] | None:
    """The mapping at these names, created if absent; None if one of them is a value."""
    for name in names:
        inner = fields.setdefault(name, {})
        if not isinstance(inner, dict):
            return None
        fields = inner
    return fields


def _single_values(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _single_values(value) if isinstance(value, dict) else (value[0] if len(value) == 1 else value)
        for name, value in fields.items()
    }
