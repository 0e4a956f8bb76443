"""Whether the rules fit the kits: bricks that exist, answers that can be compared, sinks that have their keys. Pure.

The shape of a kit's schema is not documented. What can be read of it is held against the rules; what cannot is said to
be unchecked, and is no mistake.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from copilot_pipeline.config.bricks import BrickRef
from copilot_pipeline.config.conditions import OPERATORS, ConditionSettings
from copilot_pipeline.config.route_checks import Mistake
from copilot_pipeline.config.routes import RouteSettings

# How kinds of bricks are called: what stands left is seen in answers of /v1/kits/schema or in the vendor's pages.
_KINDS = {
    "boolean": "yes/no", "bool": "yes/no", "score": "score", "number": "score", "numeric": "score",
    "integer": "score", "float": "score", "category": "text", "string": "text", "text": "text", "enum": "text",
    "string_list": "list", "list": "list", "array": "list",
}  # fmt: skip
_FITTING = {
    "above": ("score",), "below": ("score",), "at_least": ("score",), "at_most": ("score",),
    "contains": ("text", "list"),
}  # fmt: skip

Schema = Mapping[str, str | None]  # brick -> yes/no, score, text, list; None where the schema does not say


def parse_kit_schema(body: bytes) -> Schema | None:
    """The bricks of a kit and their kinds; None where the answer cannot be understood."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return None
    bricks = fields.get("bricks", fields.get("schema")) if isinstance(fields, dict) else fields
    if isinstance(bricks, dict):
        bricks = bricks.get("bricks", bricks)
    found: dict[str, str | None] = {}
    named = bricks.items() if isinstance(bricks, dict) else ((None, one) for one in _list(bricks))
    for name, brick in named:
        described = brick if isinstance(brick, dict) else {}
        key = name or described.get("key") or described.get("name") or (brick if isinstance(brick, str) else None)
        if isinstance(key, str) and key:
            kind = described.get("type") or described.get("value_type") or (brick if name else None)
            found[key] = _KINDS.get(kind.lower()) if isinstance(kind, str) else None
    return found or None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def mistakes_against(routes: Sequence[RouteSettings], schemas: Mapping[str, Schema]) -> list[Mistake]:
    """Bricks that no kit has, and comparisons that can never be true. Kits without a schema are passed over."""
    found = []
    for index, route in enumerate(routes):
        for keys, reference, condition in route.references():
            found += [Mistake(("routes", index, *keys), what) for what in _problems(reference, condition, schemas)]
    return found


def _problems(reference: BrickRef, condition: ConditionSettings | None, schemas: Mapping[str, Schema]) -> Iterator[str]:
    schema = schemas.get(reference.kit)
    if schema is None:
        return
    if reference.brick not in schema:
        near = difflib.get_close_matches(reference.brick, schema, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(sorted(schema))}"
        yield f"the kit {reference.kit} has no brick {reference.brick!r}; {hint}"
        return
    kind = schema[reference.brick]
    if condition is not None and kind is not None:
        yield from _unfit(reference, kind, condition)


def _unfit(reference: BrickRef, kind: str, condition: ConditionSettings) -> Iterator[str]:
    operator = next(name for name in OPERATORS if condition.operand(name) is not None)
    operand = condition.operand(operator)
    fitting = _FITTING.get(operator) or tuple({_kind_of(one) for one in _operands(operand)})
    if kind not in fitting:
        yield f"{reference} answers with a {kind}, and `{operator}: {json.dumps(operand)}` can never be true of that"


def _operands(operand: Any) -> list[Any]:
    return operand if isinstance(operand, list) else [operand]


def _kind_of(value: object) -> str:
    return "yes/no" if isinstance(value, bool) else "score" if isinstance(value, int | float) else "text"
