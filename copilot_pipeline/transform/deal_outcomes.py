"""How a deal ended and when, from its CRM stage and stage history."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time
from enum import StrEnum

from copilot_pipeline.config.marts import OutcomeSettings


class DealOutcome(StrEnum):
    """How a deal ended."""

    WON = "won"
    LOST = "lost"
    OPEN = "open"


def outcome_of(stage: str | None, outcomes: OutcomeSettings) -> DealOutcome:
    """Return won or lost for a closed stage, else open.

    Only letters and digits are compared: CRMs write `Closed Won`, `closedwon` and `closed-won`.
    """
    plain = _letters_and_digits(stage or "")
    if plain in map(_letters_and_digits, outcomes.won):
        return DealOutcome.WON
    return DealOutcome.LOST if plain in map(_letters_and_digits, outcomes.lost) else DealOutcome.OPEN


def _letters_and_digits(stage: str) -> str:
    letters = "".join(letter for letter in stage.casefold() if letter.isalnum())
    return letters or stage.strip()


def closed_at(history: str | None, outcomes: OutcomeSettings) -> datetime | None:
    """Return when the deal reached its present outcome, or None if the JSON stage history does not record it.

    A deal that was reopened closed when it closed for the last time. A change between two won stages, or between two
    lost stages, does not move the moment.
    """
    since: datetime | None = None
    before = DealOutcome.OPEN
    for moment, stage in sorted(_changes(history), key=lambda change: change[0]):
        outcome = outcome_of(stage, outcomes)
        if outcome is not before:
            since = None if outcome is DealOutcome.OPEN else moment
        before = outcome
    return since


def _changes(history: str | None) -> Iterator[tuple[datetime, str]]:
    changes: Iterable[object] = entries if history and isinstance(entries := json.loads(history), list) else ()
    for change in changes:
        if isinstance(change, dict) and isinstance(stage := change.get("stage"), str):
            moment = _moment(change.get("date_changed"))
            if moment is not None:
                yield moment, stage


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if moment is None:
        return None
    if isinstance(value, str) and len(value) == len("2026-01-01"):  # a date without a time: use the end of that day
        moment = datetime.combine(moment.date(), time.max)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
