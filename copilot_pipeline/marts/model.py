"""What the analyses look at: conversations with their answers, reps and deals. Plain values, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

Value = bool | float | str | list[object] | None
BrickKey = tuple[str, str]  # our name of the kit, the brick's key


@dataclass(frozen=True, slots=True)
class Quote:
    """A quote of an answer, and where it was found in the transcript."""

    text: str
    match: str  # exact, normalized, fuzzy, not found
    score: float | None = None  # 0 to 1
    seq: int | None = None
    start_s: float | None = None
    speaker: str | None = None
    side: str | None = None
    said: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A brick's answer on one call. `value` is None where the kit said null: never 0, never false."""

    value: Value
    confidence: float | None = None
    reason: str | None = None
    quotes: tuple[Quote, ...] = ()


@dataclass(frozen=True, slots=True)
class Rep:
    """Who held the call for us: by user id, else e-mail, else name."""

    rep_id: str
    name: str | None = None
    manager_id: str | None = None
    manager_name: str | None = None
    manager_email: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """A call with the answers of its current scores. `answers` has the bricks that were answered, null included."""

    call_id: str
    call_date: date  # the day in the partition zone
    started_at: datetime
    rep: Rep | None = None
    deal_id: str | None = None
    review_url: str | None = None
    prospects: tuple[str, ...] = ()  # names (else e-mails) of the prospects on the call
    team: Mapping[str, Rep] = field(default_factory=dict)  # our people who spoke, by their names in the transcript
    answers: Mapping[BrickKey, Answer] = field(default_factory=dict)
    kit_versions: Mapping[str, str | None] = field(default_factory=dict)  # kit -> version; a key for each scored kit

    @property
    def week(self) -> date:
        """Monday of the call's week."""
        return monday(self.call_date)

    def reps(self) -> list[Rep]:
        """Who held the call, and our other people who spoke on it, each once."""
        held = (self.rep,) if self.rep else ()
        return list({rep.rep_id: rep for rep in (*self.team.values(), *held)}.values())

    def rep_who_said(self, quote: Quote) -> Rep | None:
        """Which of our people said it; who held the call where that is not known."""
        return self.team.get(quote.speaker, self.rep) if quote.speaker else self.rep


class Outcome(StrEnum):
    """How a deal ended."""

    WON = "won"
    LOST = "lost"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Deal:
    """A deal. `closed_at` is when its stage became a closed one, where the CRM's history says so."""

    deal_id: str
    outcome: Outcome
    name: str | None = None
    account_name: str | None = None
    amount: float | None = None
    stage: str | None = None
    forecast_category: str | None = None
    close_date: datetime | None = None
    closed_at: datetime | None = None


def monday(day: date) -> date:
    """The Monday of a day's week (ISO 8601)."""
    return day - timedelta(days=day.weekday())
