"""Parse the schema of a kit: its bricks, their labels, questions, types and scales.

The format of a schema is undocumented. What cannot be understood is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from copilot_pipeline.clients.clari.decoding import number, text

_LABELS = ("label", "title", "display_name", "name")
_QUESTIONS = ("question", "prompt", "description")
_TYPES = ("type", "value_type")
_RANGE = re.compile(r"\s*(-?\d+(?:\.\d+)?)\s*(?:-|\u2013|to|\.\.)\s*(-?\d+(?:\.\d+)?)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class BrickSchema:
    """A brick of a kit. The scale is that of a score, if the schema has one."""

    name: str
    label: str | None = None
    question: str | None = None
    type: str | None = None
    scale_low: float | None = None
    scale_high: float | None = None


def parse_bricks(body: bytes) -> list[BrickSchema]:
    """Return the bricks of a kit in the order of the schema; none if it cannot be understood."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return []
    bricks = fields.get("bricks", fields.get("schema")) if isinstance(fields, dict) else fields
    if isinstance(bricks, dict):
        bricks = bricks.get("bricks", bricks)
    return list({brick.name: brick for brick in _bricks(bricks)}.values())


def _bricks(bricks: object) -> Iterator[BrickSchema]:
    if isinstance(bricks, dict):
        for name, brick in bricks.items():
            if isinstance(name, str) and name:
                yield _brick(name, brick if isinstance(brick, dict) else {"type": brick})
        return
    for brick in bricks if isinstance(bricks, list) else ():
        described = brick if isinstance(brick, dict) else {}
        name = described.get("key") or described.get("name") or (brick if isinstance(brick, str) else None)
        if isinstance(name, str) and name:
            yield _brick(name, described)


def _brick(name: str, described: Mapping[str, Any]) -> BrickSchema:
    label = next((found for key in _LABELS if (found := text(described.get(key))) and found != name), None)
    question = next((found for key in _QUESTIONS if (found := text(described.get(key)))), None)
    kind = next((found for key in _TYPES if (found := described.get(key)) and isinstance(found, str)), None)
    return BrickSchema(name, label, question, kind, *_scale(described))


def _scale(described: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Return the ends of the scale: `{min, max}`, `[low, high]`, `0-100`, or `min` and `max` of the brick."""
    scale = described.get("scale", described.get("range", described))
    if isinstance(scale, str) and (match := _RANGE.fullmatch(scale)):
        scale = [match[1], match[2]]
    if isinstance(scale, dict):
        scale = [
            next((scale[key] for key in keys if key in scale), None)
            for keys in (("min", "minimum", "low"), ("max", "maximum", "high"))
        ]
    if not isinstance(scale, list) or len(scale) != 2:
        return None, None
    low, high = number(scale[0]), number(scale[1])
    return (low, high) if low is not None and high is not None and low < high else (None, None)
