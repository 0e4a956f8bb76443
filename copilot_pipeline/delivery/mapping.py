"""Map a scored call to the fields of a sink. Pure.

A brick without an answer produces no field: an absent field leaves the CRM's value as it is, null would erase it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from copilot_pipeline.config.bricks import BrickRef, CallField, ConstantSettings, FieldSource
from copilot_pipeline.marts.model import BrickAnswer, ScoredCall

MULTIPLE_VALUES_SEPARATOR = ";"  # what both CRMs put between the values of a multi-select field
MAX_FIELD_CHARACTERS = 32_000  # a long text area holds 32,768 in Salesforce, 65,536 in HubSpot


def mapped_fields(mapping: Mapping[str, FieldSource], call: ScoredCall) -> dict[str, Any]:
    """Return the sink's fields as JSON values, without those that have no answer."""
    fields = {
        name: source.value if isinstance(source, ConstantSettings) else resolve_reference(source, call)
        for name, source in mapping.items()
    }
    return {name: value for name, value in fields.items() if value is not None}


def resolve_reference(reference: BrickRef | CallField, call: ScoredCall) -> Any:
    """Return the value of a part of a brick or of a field of the call, or None."""
    if isinstance(reference, CallField):
        return to_json_value(call.fields.get(reference.name))
    answer = call.bricks.get(reference.key)
    return None if answer is None else answer_part(answer, reference.part)


def answer_part(answer: BrickAnswer, part: str) -> Any:
    """Return one part of an answer. Evidence is a list, or None if it is empty."""
    if part == "evidence":
        return list(answer.evidence) or None
    return getattr(answer, part)


def crm_value(value: Any) -> Any:
    """Convert to a CRM field's value.

    Lists become `a;b`, texts are cut to the field's size, whole numbers have no `.0`.
    """
    if isinstance(value, list):
        value = MULTIPLE_VALUES_SEPARATOR.join(to_text(item) for item in value)
    if isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value[:MAX_FIELD_CHARACTERS] if isinstance(value, str) else value


def to_text(value: Any) -> str:
    """Return a text unchanged and anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(to_json_value(value), ensure_ascii=False)


def to_json_value(value: Any) -> Any:
    """Convert dates and times to ISO 8601 texts."""
    return value.isoformat() if isinstance(value, datetime | date) else value
