"""Rules held against what their kits answer, whenever results are sent on: a kit may change long after the start."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date

from copilot_pipeline.config.route_checks import Mistake
from copilot_pipeline.config.routes import RouteSettings
from copilot_pipeline.delivery.rule_checks import Schema, mistakes_against
from copilot_pipeline.postgres import Database

_KINDS = {"bool": "yes/no", "num": "score", "text": "text"}  # of a list or an object, and of null, nothing is concluded


def mistakes_now(
    database: Database,
    routes: Sequence[RouteSettings],
    days: Sequence[date],
    read_schema: Callable[[str], Schema | None],
) -> list[Mistake]:
    """The mistakes in rules that these days' answers show and the kits' schemas confirm.

    A kit's schema is read only where the answers leave a doubt. Where it cannot be read, nothing is called a mistake.
    """
    answered = _answered(database, days)
    if not mistakes_against(routes, answered):
        return []
    schemas = {kit: schema for kit in answered if (schema := read_schema(kit)) is not None}
    return mistakes_against(routes, schemas)


def rules_with(mistakes: Sequence[Mistake], routes: Sequence[RouteSettings]) -> frozenset[str]:
    """The names of the rules that have one."""
    return frozenset(routes[int(one.keys[1])].name for one in mistakes)


def _answered(database: Database, days: Sequence[date]) -> dict[str, Schema]:
    """The bricks that were answered on these days and the kind of their values, by kit."""
    with database.connection() as connection:
        rows = connection.execute(
            "SELECT DISTINCT kit, brick, value_kind FROM copilot.semarize_scores WHERE call_date = ANY(%s)",
            (list(days),),
        ).fetchall()
    kinds: dict[tuple[str, str], set[str | None]] = defaultdict(set)
    for kit, brick, kind in rows:
        kinds[kit, brick].add(_KINDS.get(kind))
    found: dict[str, dict[str, str | None]] = defaultdict(dict)
    for (kit, brick), several in kinds.items():
        found[kit][brick] = several.pop() if len(several) == 1 else None
    return dict(found)
