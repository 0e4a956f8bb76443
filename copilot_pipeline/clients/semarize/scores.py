"""Parse the scores of a run: each value in the column of its type, null in none. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from copilot_pipeline.clients.semarize.decoding import decode_object, text
from copilot_pipeline.errors import UnreadableBody

_FIELDS = frozenset({"value", "confidence", "reason", "evidence"})


class Score(NamedTuple):
    """The result of one brick. One value column is set, none if the value is null."""

    brick: str
    value_kind: str
    value_bool: bool | None
    value_num: float | None
    value_text: str | None
    value_json: str | None
    confidence: float | None
    reason: str | None
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ParsedRun:
    """The scores of one run; `unreadable` holds the bricks that cannot be parsed, each with the reason."""

    kit_code: str | None
    kit_version_id: str | None
    scores: tuple[Score, ...]
    unreadable: tuple[tuple[str, str], ...]


def parse_scores(body: bytes) -> ParsedRun:
    """Return the scores of a succeeded run. Raises `UnreadableBody`, which names the path, never the content."""
    fields = decode_object(body)
    version_id = text(fields.get("kit_version_id"))
    output = fields.get("output")
    if output is None:
        return ParsedRun(None, version_id, (), (("*", "the run has no output"),))
    if not isinstance(output, dict):
        raise UnreadableBody("$.output: expected an object")
    kit_code = text(output.get("kit_code"))
    bricks = output.get("bricks")
    if bricks is None:
        return ParsedRun(kit_code, version_id, (), (("*", "the output has no bricks"),))
    scores: dict[str, Score] = {}
    unreadable = []
    for name, brick in _bricks(bricks):
        if not name:
            unreadable.append(("?", "a brick without a key"))
        elif name in scores:
            unreadable.append((name, "named twice: the first result is used"))
        else:
            scores[name] = _score(name, brick)
    return ParsedRun(kit_code, version_id, tuple(scores.values()), tuple(unreadable))


def _bricks(bricks: object) -> Iterator[tuple[str, object]]:
    if isinstance(bricks, dict):
        yield from bricks.items()
    elif isinstance(bricks, list):
        for brick in bricks:
            named = brick if isinstance(brick, dict) else {}
            yield text(named.get("key")) or text(named.get("name")) or "", brick
    else:
        raise UnreadableBody("$.output.bricks: expected an object or a list")


def _score(name: str, brick: object) -> Score:
    # An object without any of the documented fields is the value itself.
    is_full = isinstance(brick, dict) and not (brick and _FIELDS.isdisjoint(brick))
    fields: dict[str, Any] = brick if is_full and isinstance(brick, dict) else {"value": brick}
    kind, value_bool, value_num, value_text, value_json = _value(fields.get("value"))
    return Score(
        name,
        kind,
        value_bool,
        value_num,
        value_text,
        value_json,
        _number(fields.get("confidence")),
        text(fields.get("reason")),
        _evidence(fields.get("evidence")),
    )


def _value(value: object) -> tuple[str, bool | None, float | None, str | None, str | None]:
    if value is None:
        return "null", None, None, None, None
    if isinstance(value, bool):  # before numbers: a bool is an int to Python
        return "bool", value, None, None, None
    if isinstance(value, int | float):
        number = _number(value)
        if number is not None:
            return "num", None, number, None, None
        return "text", None, None, str(value), None
    if isinstance(value, str):
        return "text", None, None, value, None
    return "json", None, None, None, _json(value)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _evidence(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    items = value if isinstance(value, list) else [value]
    return tuple(item if isinstance(item, str) else _json(item) for item in items if item not in (None, ""))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
