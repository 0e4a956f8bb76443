"""Message adoption: the use of a new message on calls since it was introduced, and the lag to its first use."""

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


class AdoptionRow(NamedTuple):
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
    """Whether a call uses the new and the old message.

    `new` is None if unknown: no words of a rep and no value of a brick.
    """

    new: bool | None
    old: bool


@dataclass(slots=True)
class _Counts:
    """Calls of a rep, or of all reps."""

    name: str | None = None
    calls: int = 0
    calls_using: int = 0
    old: int = 0
    first: ScoredCall | None = None
    last_old: ScoredCall | None = field(default=None)


def use_of(message: MessageSettings, call: ScoredCall, rep_words: str | None) -> Use:
    """Return whether a call uses the new and the old message: whole words, ignoring case and punctuation.

    `rep_words` is None if no rep is known to have spoken; then only the brick of the message can decide.
    """
    spoken = f" {' '.join(words_of(rep_words or ''))} "
    by_words = None if rep_words is None or not message.new else False
    old = _contains_any(message.old, spoken)
    if message.new and _contains_any(message.new, spoken):
        return Use(True, old)
    if message.brick is not None:
        answer = call.bricks.get(message.brick.key)
        if answer is None or answer.value is None:
            return Use(by_words, old)
        return Use(is_affirmed(answer.value), old)
    return Use(by_words, old)


def _contains_any(phrases: Sequence[str], spoken: str) -> bool:
    return any(words and f" {' '.join(words)} " in spoken for words in map(words_of, phrases))


def message_adoption(message: MessageSettings, uses: Iterable[tuple[ScoredCall, Use]]) -> list[AdoptionRow]:
    """Return one row for all reps and one per rep, over the calls since the change whose use is known."""
    groups: defaultdict[str, _Counts] = defaultdict(_Counts)
    groups[ALL] = _Counts()
    for call, use in uses:
        if call.call_date < message.changed_on or use.new is None:
            continue
        rep = call.rep
        for rep_id, name in ((ALL, None), *(((rep.rep_id, rep.name),) if rep else ())):
            counts = groups[rep_id]
            counts.name = counts.name or name
            counts.calls += 1
            counts.calls_using += use.new
            counts.old += use.old
            if use.new and (counts.first is None or _order(call) < _order(counts.first)):
                counts.first = call
            if use.old and (counts.last_old is None or _order(call) > _order(counts.last_old)):
                counts.last_old = call
    return [_adoption_row(message, rep_id, counts) for rep_id, counts in sorted(groups.items())]


def _order(call: ScoredCall) -> tuple[datetime, str]:
    return call.started_at, call.call_id


def _adoption_row(message: MessageSettings, rep_id: str, counts: _Counts) -> AdoptionRow:
    first, last_old = counts.first, counts.last_old
    share = share_of(counts.calls_using, counts.calls)
    return AdoptionRow(
        message=message.name,
        rep_id=rep_id,
        rep_name=counts.name,
        changed_on=message.changed_on,
        n=counts.calls,
        calls_using=counts.calls_using,
        share=share.share,
        share_low=share.low,
        share_high=share.high,
        first_call_id=first.call_id if first else None,
        first_used_at=first.started_at if first else None,
        lag_days=float((first.call_date - message.changed_on).days) if first else None,
        still_old=counts.old,
        last_old_call_id=last_old.call_id if last_old else None,
    )
