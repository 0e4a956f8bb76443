"""Builders of scored calls and deals for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from copilot_pipeline.marts.call_columns import CALL_SCHEMA, BrickColumn, CallColumns, KitColumn, columns_of_reps
from copilot_pipeline.marts.model import BrickAnswer, BrickKey, Deal, KitRun, Quote, Rep, ScoredCall
from copilot_pipeline.transform.deal_outcomes import DealOutcome

Row = TypeVar("Row")
KIT = "kit"
MONDAY = date(2026, 11, 2)
REP = Rep("u-1", "Ana Ruiz", "u-9", "Max Boss", "max@example.com", "ana@example.com")


def call(call_id: str, answers: Mapping[str, Any] | None = None, *, day: int = 0, **fields: Any) -> ScoredCall:
    """Return a call some days after the Monday, with values or answers by brick; unscored if `answers` is None."""
    when = MONDAY + timedelta(days=day)
    given: dict[str, Any] = {
        "call_id": call_id,
        "call_date": when,
        "started_at": datetime(when.year, when.month, when.day, 12, tzinfo=UTC),
        "rep": REP,
        "bricks": {
            (KIT, brick): value if isinstance(value, BrickAnswer) else BrickAnswer(value)
            for brick, value in (answers or {}).items()
        },
        "runs": {} if answers is None else {KIT: KitRun("succeeded", "run-1", kit_version_id="v1")},
    }
    return ScoredCall(**{**given, **fields})


def quoted(value: Any, *texts: str, match: str = "exact") -> BrickAnswer:
    """Return an answer with quotes, which are in the transcript unless `match` is `not found`."""
    result = match != "not found"
    return BrickAnswer(
        value,
        quotes=tuple(
            Quote(
                text,
                match,
                1.0 if result else None,
                3 if result else None,
                61.0 if result else None,
                "Ana",
                "rep",
                text,
            )
            for text in texts
        ),
    )


def columns_of(calls: Sequence[ScoredCall], bricks: Iterable[BrickKey]) -> CallColumns:
    """Return calls as the columns that the reader of columns returns for these bricks."""
    bricks = list(bricks)
    plain = {name: [getattr(one, name) for one in calls] for name in CALL_SCHEMA.names if hasattr(ScoredCall, name)}
    reps = [one.rep for one in calls]
    kits = {
        kit: KitColumn(
            np.array([one.is_scored_by(kit) for one in calls], dtype=np.bool_),
            pa.array([one.kit_version_id(kit) for one in calls], pa.string()),
        )
        for kit in {kit for kit, _ in bricks}
        if any(one.is_scored_by(kit) for one in calls)
    }
    table = pa.table({**plain, **columns_of_reps(reps)}, schema=CALL_SCHEMA)
    return CallColumns(table, reps, kits, {brick: _brick_column(calls, brick) for brick in bricks})


def _brick_column(calls: Sequence[ScoredCall], brick: BrickKey) -> BrickColumn:
    """Return a value for each call, although values of the reader are distinct."""
    answers = [one.bricks.get(brick) for one in calls]
    return BrickColumn(
        np.array([-1 if answer is None else number for number, answer in enumerate(answers)], dtype=np.int64),
        [answer.value if answer else None for answer in answers],
        pa.array([answer.confidence if answer else None for answer in answers], pa.float64()),
        pa.array([answer.quotes[0].text if answer and answer.quotes else None for answer in answers], pa.string()),
    )


def rows_of(batches: Iterable[pa.Table], make: Callable[..., Row]) -> list[Row]:
    """Return the rows of Arrow tables."""
    return [make(**row) for batch in batches for row in batch.to_pylist()]


def won(deal_id: str, **fields: Any) -> Deal:
    """Return a won deal."""
    return Deal(deal_id, DealOutcome.WON, **fields)


def lost(deal_id: str, **fields: Any) -> Deal:
    """Return a lost deal."""
    return Deal(deal_id, DealOutcome.LOST, **fields)


def still_open(deal_id: str, **fields: Any) -> Deal:
    """Return an open deal."""
    return Deal(deal_id, DealOutcome.OPEN, **fields)
