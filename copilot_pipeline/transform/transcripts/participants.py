"""Rows of the participants of a call, with each one's share of the speech."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from copilot_pipeline.clients.clari.models import CallRecord, Side
from copilot_pipeline.transform.rows import ParticipantRow
from copilot_pipeline.transform.transcripts.assembly import Transcript
from copilot_pipeline.transform.transcripts.people import ResolvedPerson
from copilot_pipeline.transform.transcripts.text import unknown_speaker


def participant_rows(
    record: CallRecord, day: date, people: Sequence[ResolvedPerson], transcript: Transcript
) -> list[ParticipantRow]:
    """Return a row for each person whom the call lists and each other id that said a word.

    Speech without an id counts in the total but has no row: several people may be behind it.
    """
    words = transcript.word_counts
    by_id = {person.person_id: person for person in people if person.is_listed or words.get(person.person_id)}
    for person_id in dict.fromkeys(transcript.utterances.person_id):
        if person_id is not None and person_id not in by_id and words.get(person_id):
            by_id[person_id] = ResolvedPerson(person_id, unknown_speaker(person_id), None, Side.UNKNOWN)
    silent = {person_id for person_id in transcript.utterances.person_id if person_id is not None} - by_id.keys()
    total_seconds = sum(seconds for key, seconds in transcript.speaking_seconds.items() if key not in silent)
    return [_row(record.call_id, day, person, transcript, total_seconds) for person in by_id.values()]


def _row(
    call_id: str, day: date, person: ResolvedPerson, transcript: Transcript, total_seconds: float
) -> ParticipantRow:
    person_id = person.person_id
    seconds = transcript.speaking_seconds.get(person_id, 0.0)
    return ParticipantRow(
        call_id=call_id,
        person_id=person_id,
        call_date=day,
        name=person.name,
        email=person.email,
        phone=person.phone,
        side=person.side.value,
        role=person.role,
        user_id=person.user_id,
        manager_id=person.manager_id,
        is_organizer=person.is_organizer,
        joined=person.joined,
        talk_seconds=seconds,
        talk_share=seconds / total_seconds if total_seconds > 0 else None,
        utterances=transcript.utterance_counts.get(person_id, 0),
        words=transcript.word_counts.get(person_id, 0),
    )
