"""Message adoption: from a change of messaging to its use on calls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

from copilot_pipeline.config.marts import MessageSettings
from copilot_pipeline.marts.intervals import share_of
from copilot_pipeline.marts.model import ScoredCall
from copilot_pipeline.marts.negation import is_affirmed
from copilot_pipeline.transform.quotes import words_of

ALL = "all"


class Adoption(NamedTuple):
    """A row of `message_adoption`."""

    message: str
    rep_id: str
    rep_name: str | None
    changed_on: date
    n: int
    calls_using: int
    share: float | None
    share_low: float | None
    share_high: float | None
    first_call_id: str | None
    first_used_at: datetime | None
    lag_days: float | None
    still_old: int
    last_old_call_id: str | None


@dataclass(frozen=True, slots=True)
class Use:
    """What a call shows of a message. `new` is None where it cannot be told: no words of a rep, no answer."""

    new: bool | None
    old: bool


@dataclass(slots=True)
class _Tally:
    name: str | None = None
    calls: int = 0
    calls_using: int = 0
    old: int = 0
    first: ScoredCall | None = None
    last_old: ScoredCall | None = field(default=None)


def use_of(message: MessageSettings, conversation: ScoredCall, said_by_reps: str | None) -> Use:
    """Whether a call uses the new and the old words: whole words, whatever their case and punctuation.

    `said_by_reps` is None where no rep is known to have said anything: only a brick can tell then.
    """
    spoken = f" {' '.join(words_of(said_by_reps or ''))} "
    by_words = None if said_by_reps is None or not message.new else False
    old = _any_of(message.old, spoken)
    if message.new and _any_of(message.new, spoken):
        return Use(True, old)
    if message.brick is not None:
        answer = conversation.bricks.get(message.brick.key)
        if answer is None or answer.value is None:
            return Use(by_words, old)
        return Use(is_affirmed(answer.value), old)
    return Use(by_words, old)


def _any_of(phrases: Sequence[str], spoken: str) -> bool:
    return any(words and f" {' '.join(words)} " in spoken for words in map(words_of, phrases))


def message_adoption(message: MessageSettings, uses: Iterable[tuple[ScoredCall, Use]]) -> list[Adoption]:
    """One row for all and one a rep, over the calls since the change that can be told; order does not matter."""
    tallies: defaultdict[str, _Tally] = defaultdict(_Tally)
    tallies[ALL] = _Tally()
    for conversation, use in uses:
        if conversation.call_date < message.changed_on or use.new is None:
            continue
        rep = conversation.rep
        for rep_id, name in ((ALL, None), *(((rep.rep_id, rep.name),) if rep else ())):
            tally = tallies[rep_id]
            tally.name = tally.name or name
            tally.calls += 1
            tally.calls_using += use.new
            tally.old += use.old
            if use.new and (tally.first is None or _when(conversation) < _when(tally.first)):
                tally.first = conversation
            if use.old and (tally.last_old is None or _when(conversation) > _when(tally.last_old)):
                tally.last_old = conversation
    return [_row(message, rep_id, tally) for rep_id, tally in sorted(tallies.items())]


def _when(conversation: ScoredCall) -> tuple[datetime, str]:
    return conversation.started_at, conversation.call_id


def _row(message: MessageSettings, rep_id: str, tally: _Tally) -> Adoption:
    first, last_old = tally.first, tally.last_old
    return Adoption(
        message.name,
        rep_id,
        tally.name,
        message.changed_on,
        tally.calls,
        tally.calls_using,
        *share_of(tally.calls_using, tally.calls),
        first.call_id if first else None,
        first.started_at if first else None,
        float((first.call_date - message.changed_on).days) if first else None,
        tally.old,
        last_old.call_id if last_old else None,
    )
