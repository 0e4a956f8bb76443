"""Who took part in a call, a row each, and how much of it was theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from copilot_pipeline.clients.clari.models import CallRecord, Side
from copilot_pipeline.transform.transcripts.assembly import Transcript
from copilot_pipeline.transform.transcripts.people import ResolvedPerson
from copilot_pipeline.transform.transcripts.text import unknown_speaker


class Participant(NamedTuple):
    """One person on one call. Plain values only, so that `zip(*participants)` gives the columns of a table."""

    call_id: str
    person_id: str
    name: str
    email: str | None
    side: str
    role: str | None
    user_id: str | None
    manager_id: str | None
    is_organizer: bool | None
    joined: bool | None
    talk_seconds: float
    talk_share: float | None  # of everybody's seconds, 0 to 1; None where nobody is known to have spoken
    utterances: int
    words: int


def participants(record: CallRecord, people: Sequence[ResolvedPerson], transcript: Transcript) -> list[Participant]:
    """A row for everybody on the call, then one for every id that spoke without being on any list.

    Speech without any id counts in the total but has no row: there may be several people behind it.
    """
    everybody = {person.person_id: person for person in people}
    for utterance_person_id in dict.fromkeys(utterance.person_id for utterance in transcript.utterances):
        if utterance_person_id is not None and utterance_person_id not in everybody:
            name = unknown_speaker(utterance_person_id)
            everybody[utterance_person_id] = ResolvedPerson(utterance_person_id, name, None, Side.UNKNOWN)
    total = sum(transcript.speaking_seconds.values())
    return [_participant(record.call_id, person, transcript, total) for person in everybody.values()]


def _participant(call_id: str, person: ResolvedPerson, transcript: Transcript, total: float) -> Participant:
    """One row; `total` is everybody's speech in seconds."""
    person_id = person.person_id
    seconds = transcript.speaking_seconds.get(person_id, 0.0)
    return Participant(
        call_id,
        person_id,
        person.name,
        person.email,
        person.side.value,
        person.role,
        person.user_id,
        person.manager_id,
        person.is_organizer,
        person.joined,
        seconds,
        seconds / total if total > 0 else None,
        transcript.utterance_counts.get(person_id, 0),
        transcript.word_counts.get(person_id, 0),
    )
