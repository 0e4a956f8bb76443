"""How a deal ended and when, from its CRM stage and stage history."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time
from enum import StrEnum
from functools import lru_cache
from typing import Any

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


@lru_cache(maxsize=1024)  # the same few stages recur in every history
def _letters_and_digits(stage: str) -> str:
    letters = "".join(letter for letter in stage.casefold() if letter.isalnum())
    return letters or stage.strip()


def closed_at(history: str | None, outcomes: OutcomeSettings) -> datetime | None:
    """Return when the deal reached its present outcome, or None if the JSON stage history does not record it."""
    return last_close(sorted(stage_changes(history), key=lambda change: change[0]), outcomes)


def last_close(changes: Iterable[tuple[datetime, str]], outcomes: OutcomeSettings) -> datetime | None:
    """Return when a deal with these changes of its stage, in order, reached its present outcome; None if it is open.

    A deal that was reopened closed when it closed for the last time. A change between two won stages, or between two
    lost stages, does not move the moment.
    """
    since: datetime | None = None
    before = DealOutcome.OPEN
    for moment, stage in changes:
        outcome = outcome_of(stage, outcomes)
        if outcome is not before:
            since = None if outcome is DealOutcome.OPEN else moment
        before = outcome
    return since


def stage_changes(history: str | None) -> Iterator[tuple[datetime, str]]:
    """Yield (time, new stage) of each entry of a JSON stage history that has both."""
    for change in entries_of(history):
        if isinstance(stage := change.get("stage"), str):
            moment = moment_of(change.get("date_changed"))
            if moment is not None:
                yield moment, stage


def entries_of(history: str | None) -> list[dict[str, Any]]:
    """Return the entries of a JSON history; other values than objects are skipped."""
    changes = json.loads(history) if history else ()
    return [change for change in changes if isinstance(change, dict)] if isinstance(changes, list) else []


def moment_of(value: object) -> datetime | None:
    """Return a time of the CRM (aware); None if it cannot be parsed. A date without a time is the end of that day."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if moment is None:
        return None
    if isinstance(value, str) and len(value) == len("2026-01-01"):  # a date without a time: use the end of that day
        moment = datetime.combine(moment.date(), time.max)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
