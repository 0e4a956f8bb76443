"""Reps on calls: the speech of each own person, whatever the number of own people on the call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from itertools import groupby
from typing import NamedTuple

from copilot_pipeline.marts.model import Rep, monday


class Speech(NamedTuple):
    """What an own person said on a call. `rep` is None if neither an id nor an address identifies the person."""

    call_id: str
    call_date: date
    started_at: datetime
    deal_id: str | None
    review_url: str | None
    rep: Rep | None
    call_rep: Rep | None
    talk_seconds: float | None
    talk_share: float | None
    utterances: int
    words: int


class RepCallRow(NamedTuple):
    """A row of `rep_calls`."""

    rep_id: str
    call_id: str
    call_date: date
    week: date
    started_at: datetime
    deal_id: str | None
    rep_name: str | None
    manager_id: str | None
    is_call_rep: bool
    own_speakers: int
    talk_seconds: float | None
    talk_share: float | None
    utterances: int
    words: int
    review_url: str | None


def rep_calls(speech: Iterable[Speech]) -> Iterator[RepCallRow]:
    """Yield one row per call and rep. `speech` is sorted by call; one rep with several person ids has one row."""
    for _, of_call in groupby(speech, key=lambda one: one.call_id):
        of_rep: dict[str, list[Speech]] = {}
        unidentified = 0
        for one in of_call:
            if one.rep is None:
                unidentified += 1
            else:
                of_rep.setdefault(one.rep.rep_id, []).append(one)
        for rep_id, parts in of_rep.items():
            yield _row(rep_id, parts, len(of_rep) + unidentified)


def _row(rep_id: str, parts: list[Speech], own_speakers: int) -> RepCallRow:
    first = parts[0]
    has_times = first.talk_share is not None
    return RepCallRow(
        rep_id=rep_id,
        call_id=first.call_id,
        call_date=first.call_date,
        week=monday(first.call_date),
        started_at=first.started_at,
        deal_id=first.deal_id,
        rep_name=first.rep.name if first.rep else None,
        manager_id=first.rep.manager_id if first.rep else None,
        is_call_rep=first.call_rep is not None and first.call_rep.rep_id == rep_id,
        own_speakers=own_speakers,
        talk_seconds=sum(part.talk_seconds or 0.0 for part in parts) if has_times else None,
        talk_share=min(sum(part.talk_share or 0.0 for part in parts), 1.0) if has_times else None,
        utterances=sum(part.utterances for part in parts),
        words=sum(part.words for part in parts),
        review_url=first.review_url,
    )
