"""Scored calls as rules see them, read from the tables that analysts read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import groupby
from typing import Any

from copilot_pipeline.config.routes import CALL_FIELDS
from copilot_pipeline.delivery.model import BrickAnswer, KitRun, ScoredCall
from copilot_pipeline.postgres import Database

_FIELDS = sorted(CALL_FIELDS)
_CALLS = f"""
SELECT {", ".join(_FIELDS)} FROM copilot.calls
WHERE (call_date = ANY(%(days)s) OR call_id = ANY(%(ids)s)) AND removed_at IS NULL
  AND EXISTS (SELECT 1 FROM copilot.semarize_runs AS runs WHERE runs.call_id = calls.call_id)
ORDER BY call_id
"""
_RUNS = """
SELECT call_id, kit, status, concat_ws(':', kit_version_id, run_id, transcript_hash), finished_at
FROM copilot.semarize_runs WHERE call_id = ANY(%s) ORDER BY call_id, kit
"""
_BRICKS = """
SELECT call_id, kit, brick, value_kind, value_bool, value_num, value_text, value_json::text, confidence, reason,
  coalesce(evidence, '{}')
FROM copilot.semarize_scores WHERE call_id = ANY(%s) ORDER BY call_id, kit, brick
"""
_AT_ONCE = 500


def scored_calls(database: Database, days: Sequence[date], call_ids: Sequence[str] = ()) -> Iterator[ScoredCall]:
    """The calls of some days, and some calls by id, that have runs; by id, a few hundred in memory at once."""
    with database.connection() as connection:
        calls = connection.execute(_CALLS, {"days": list(days), "ids": list(call_ids)}).fetchall()
    place = _FIELDS.index("call_id")
    for start in range(0, len(calls), _AT_ONCE):
        chunk = calls[start : start + _AT_ONCE]
        ids = [str(row[place]) for row in chunk]
        with database.connection() as connection:
            runs = _by_call(connection.execute(_RUNS, (ids,)).fetchall())
            bricks = _by_call(connection.execute(_BRICKS, (ids,)).fetchall())
        for row in chunk:
            fields = dict(zip(_FIELDS, row, strict=True))
            call_id = str(fields["call_id"])
            yield ScoredCall(
                call_id,
                fields["started_at"],
                fields,
                {(one[1], one[2]): _answer(one) for one in bricks.get(call_id, ())},
                {one[1]: KitRun(one[2], one[3], one[4]) for one in runs.get(call_id, ())},
            )


def _by_call(rows: list[tuple[Any, ...]]) -> dict[str, list[tuple[Any, ...]]]:
    ordered = sorted(rows, key=lambda row: str(row[0]))  # the database may sort texts in another order
    return {str(call_id): list(group) for call_id, group in groupby(ordered, key=lambda row: row[0])}


def _answer(row: tuple[Any, ...]) -> BrickAnswer:
    _, _, _, kind, value_bool, value_num, value_text, value_json, confidence, reason, evidence = row
    values = {"bool": value_bool, "num": value_num, "text": value_text}
    value = json.loads(value_json) if kind == "json" and value_json is not None else values.get(kind)
    return BrickAnswer(value, confidence, reason, tuple(str(quotation) for quotation in evidence))


def bricks_between(database: Database, first: date, last: date) -> list[tuple[str, str]]:
    """(kit, brick) of every brick that was answered on these days, by name."""
    with database.connection() as connection:
        rows = connection.execute(
            """SELECT DISTINCT kit, brick FROM copilot.semarize_scores WHERE call_date BETWEEN %s AND %s
            ORDER BY kit, brick""",
            (first, last),
        ).fetchall()
    return [(str(row[0]), str(row[1])) for row in rows]
