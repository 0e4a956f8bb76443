"""Conversations and deals, short to write."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from copilot_pipeline.marts.model import Answer, Conversation, Deal, Outcome, Quote, Rep

KIT = "kit"
MONDAY = date(2026, 11, 2)
REP = Rep("u-1", "Ana Ruiz", "u-9", "Max Boss", "max@example.com", "ana@example.com")


def call(call_id: str, answers: Mapping[str, Any] | None = None, *, day: int = 0, **fields: Any) -> Conversation:
    """A call so many days after the Monday. Answers by brick: values, or whole answers; None for answers: unscored."""
    when = MONDAY + timedelta(days=day)
    given: dict[str, Any] = {
        "call_id": call_id,
        "call_date": when,
        "started_at": datetime(when.year, when.month, when.day, 12, tzinfo=UTC),
        "rep": REP,
        "answers": {
            (KIT, brick): value if isinstance(value, Answer) else Answer(value)
            for brick, value in (answers or {}).items()
        },
        "kit_versions": {} if answers is None else {KIT: "v1"},
    }
    return Conversation(**{**given, **fields})


def quoted(value: Any, *texts: str, match: str = "exact") -> Answer:
    """An answer with quotes, found where `match` is not `not found`."""
    found = match != "not found"
    return Answer(
        value,
        quotes=tuple(
            Quote(
                text, match, 1.0 if found else None, 3 if found else None, 61.0 if found else None, "Ana", "rep", text
            )
            for text in texts
        ),
    )


def won(deal_id: str, **fields: Any) -> Deal:
    """A won deal."""
    return Deal(deal_id, Outcome.WON, **fields)


def lost(deal_id: str, **fields: Any) -> Deal:
    """A lost deal."""
    return Deal(deal_id, Outcome.LOST, **fields)


def still_open(deal_id: str, **fields: Any) -> Deal:
    """An open deal."""
    return Deal(deal_id, Outcome.OPEN, **fields)
