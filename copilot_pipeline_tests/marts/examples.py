"""Builders of scored calls and deals for tests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from copilot_pipeline.marts.model import BrickAnswer, Deal, KitRun, Quote, Rep, ScoredCall
from copilot_pipeline.transform.deal_outcomes import DealOutcome

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


def won(deal_id: str, **fields: Any) -> Deal:
    """Return a won deal."""
    return Deal(deal_id, DealOutcome.WON, **fields)


def lost(deal_id: str, **fields: Any) -> Deal:
    """Return a lost deal."""
    return Deal(deal_id, DealOutcome.LOST, **fields)


def still_open(deal_id: str, **fields: Any) -> Deal:
    """Return an open deal."""
    return Deal(deal_id, DealOutcome.OPEN, **fields)
