"""Check that the bricks of routes exist and their comparisons can be true.

The kits' schemas list their bricks. A kit may change long after the start, so the routes are checked again
whenever deliveries are queued: first against the stored scores, which costs no request, and only if these raise a
doubt against the schema.
"""

from __future__ import annotations

import difflib
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from psycopg.rows import dict_row

from copilot_pipeline.config.bricks import BrickRef
from copilot_pipeline.config.conditions import OPERATORS, ConditionSettings
from copilot_pipeline.config.route_checks import Mistake
from copilot_pipeline.config.routes import RouteSettings
from copilot_pipeline.delivery.kit_schemas import Schema
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries

_SQL = load_queries("copilot_pipeline.delivery.sql", "rule_checks.sql")

# Kinds of stored values. Lists and objects (json) and nulls prove nothing about the brick's kind.
_STORED_KINDS = {"bool": "yes/no", "num": "score", "text": "text"}
_KINDS_BY_OPERATOR = {
    "above": ("score",), "below": ("score",), "at_least": ("score",), "at_most": ("score",),
    "contains": ("text", "list"),
}  # fmt: skip


def find_mistakes(routes: Sequence[RouteSettings], schemas: Mapping[str, Schema]) -> list[Mistake]:
    """Return unknown bricks, and comparisons that can never be true.

    Kits without a schema are not checked.
    """
    return [
        Mistake(("routes", index, *keys), problem)
        for index, route in enumerate(routes)
        for keys, reference, condition in route.references()
        for problem in _problems(reference, condition, schemas)
    ]


def find_mistakes_in_scores(
    database: Database,
    routes: Sequence[RouteSettings],
    days: Sequence[date],
    read_schema: Callable[[str], Schema | None],
) -> list[Mistake]:
    """Return mistakes that the scores indicate and the kits' schemas confirm.

    A schema is read only if the scores indicate a mistake. If it cannot be read, nothing counts as a mistake.
    """
    answered_bricks = _answered_bricks(database, days)
    if not find_mistakes(routes, answered_bricks):
        return []
    schemas = {kit: schema for kit in answered_bricks if (schema := read_schema(kit)) is not None}
    return find_mistakes(routes, schemas)


def routes_with_mistakes(mistakes: Sequence[Mistake], routes: Sequence[RouteSettings]) -> frozenset[str]:
    """Return the names of the routes that have a mistake."""
    return frozenset(routes[int(one.keys[1])].name for one in mistakes)


def _answered_bricks(database: Database, days: Sequence[date]) -> dict[str, Schema]:
    """Return the bricks with scores on these days and their kinds, by kit."""
    with database.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_SQL["answered_bricks"], {"days": list(days)}).fetchall()
    kinds: dict[tuple[str, str], set[str | None]] = defaultdict(set)
    for row in rows:
        kinds[row["kit"], row["brick"]].add(_STORED_KINDS.get(row["value_kind"]))
    schemas: dict[str, dict[str, str | None]] = defaultdict(dict)
    for (kit, brick), several in kinds.items():
        schemas[kit][brick] = several.pop() if len(several) == 1 else None
    return dict(schemas)


def _problems(reference: BrickRef, condition: ConditionSettings | None, schemas: Mapping[str, Schema]) -> Iterator[str]:
    schema = schemas.get(reference.kit)
    if schema is None:
        return
    if reference.brick not in schema:
        similar = difflib.get_close_matches(reference.brick, schema, n=1)
        suggestion = f"did you mean {similar[0]}?" if similar else f"it has {', '.join(sorted(schema))}"
        yield f"the kit {reference.kit} has no brick {reference.brick!r}; {suggestion}"
        return
    kind = schema[reference.brick]
    if condition is not None and kind is not None:
        yield from _impossible_comparison(reference, kind, condition)


def _impossible_comparison(reference: BrickRef, kind: str, condition: ConditionSettings) -> Iterator[str]:
    operator = next(name for name in OPERATORS if condition.operand(name) is not None)
    operand = condition.operand(operator)
    operands = operand if isinstance(operand, list) else [operand]
    possible = _KINDS_BY_OPERATOR.get(operator) or tuple({_kind_of(one) for one in operands})
    if kind not in possible:
        yield f"{reference} returns a {kind}, so `{operator}: {json.dumps(operand)}` can never be true"


def _kind_of(value: Any) -> str:
    return "yes/no" if isinstance(value, bool) else "score" if isinstance(value, int | float) else "text"
