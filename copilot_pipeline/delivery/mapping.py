"""From a scored call to the fields of a sink. Pure.

A brick without an answer has no field: an absent field leaves what stands in the CRM alone, where null would erase it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from copilot_pipeline.config.bricks import BrickRef, CallField, ConstantSettings, FieldSource
from copilot_pipeline.marts.model import BrickAnswer, ScoredCall

MULTIPLE_VALUES_SEPARATOR = ";"  # what both CRMs put between the values of a multi-select field
LONGEST_TEXT = 32_000  # characters; a long text area holds 32,768 in Salesforce, 65,536 in HubSpot


def mapped_fields(mapping: Mapping[str, FieldSource], call: ScoredCall) -> dict[str, Any]:
    """The sink's fields, JSON values, without those that have no answer."""
    found = {
        name: source.value if isinstance(source, ConstantSettings) else looked_up(source, call)
        for name, source in mapping.items()
    }
    return {name: value for name, value in found.items() if value is not None}


def looked_up(reference: BrickRef | CallField, call: ScoredCall) -> Any:
    """The value of a brick, one of its parts, or a field of the call; None if it is missing."""
    if isinstance(reference, CallField):
        return plain(call.fields.get(reference.name))
    answer = call.bricks.get(reference.key)
    return None if answer is None else part_of(answer, reference.part)


def part_of(answer: BrickAnswer, part: str) -> Any:
    """One part of an answer; evidence as a list, none where it is empty."""
    if part == "evidence":
        return list(answer.evidence) or None
    return getattr(answer, part)


def crm_value(value: Any) -> Any:
    """As a CRM's field takes it: lists as `a;b`, texts cut to what a field holds, whole numbers without `.0`."""
    if isinstance(value, list):
        value = MULTIPLE_VALUES_SEPARATOR.join(as_text(item) for item in value)
    if isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value[:LONGEST_TEXT] if isinstance(value, str) else value


def as_text(value: Any) -> str:
    """A text as it is, anything else as JSON has it."""
    return value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False)


def plain(value: Any) -> Any:
    """As JSON has it: moments in ISO 8601."""
    return value.isoformat() if isinstance(value, datetime | date) else value
