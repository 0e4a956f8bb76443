"""How a deal ended, when, and which of its calls came before."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, time
from typing import Protocol, TypeVar

from copilot_pipeline.config.marts import OutcomeSettings
from copilot_pipeline.marts.model import Deal, Outcome


class _Held(Protocol):
    """A call, or what was made of one."""

    @property
    def started_at(self) -> datetime: ...


Call = TypeVar("Call", bound=_Held)


def outcome_of(stage: str | None, outcomes: OutcomeSettings) -> Outcome:
    """Won, lost, or open where the stage is neither.

    Only letters and digits count: CRMs write `Closed Won`, `closedwon` and `closed-won`.
    """
    plain = _plain(stage or "")
    if plain in map(_plain, outcomes.won):
        return Outcome.WON
    return Outcome.LOST if plain in map(_plain, outcomes.lost) else Outcome.OPEN


def _plain(stage: str) -> str:
    letters = "".join(letter for letter in stage.casefold() if letter.isalnum())
    return letters or stage.strip()


def closed_at(history: str | None, outcomes: OutcomeSettings) -> datetime | None:
    """When the deal came to its present end, by the CRM mirror's stage history; None where it does not say.

    A deal that was opened again closed when it closed for the last time; from one won stage to another it stays closed.
    """
    since: datetime | None = None
    before = Outcome.OPEN
    for moment, stage in sorted(_changes(history), key=lambda change: change[0]):
        outcome = outcome_of(stage, outcomes)
        if outcome is not before:
            since = None if outcome is Outcome.OPEN else moment
        before = outcome
    return since


def before_close(deal: Deal, calls: Sequence[Call]) -> Sequence[Call]:
    """What was said after a deal closed cannot have decided it.

    The moment is that of the CRM's history. The close date is often a guess that nobody mended: where all calls are
    later, it was one.
    """
    if deal.outcome is Outcome.OPEN:
        return calls
    if deal.closed_at is not None:
        return [call for call in calls if call.started_at <= deal.closed_at]
    if deal.close_date is not None:
        return [call for call in calls if call.started_at.date() <= deal.close_date.date()] or calls
    return calls


def _changes(history: str | None) -> Iterator[tuple[datetime, str]]:
    changes: Iterable[object] = found if history and isinstance(found := json.loads(history), list) else ()
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
    if isinstance(value, str) and len(value) == len("2026-01-01"):  # a day: it closed at some time of it
        moment = datetime.combine(moment.date(), time.max)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
