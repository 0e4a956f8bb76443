"""Calls, people and users with defaults, for the tests of transcripts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import NamedTuple

from hypothesis import strategies as st

from copilot_pipeline.clients.clari.models import CallRecord, Person, Readiness, Segment, Side, User
from copilot_pipeline.transform.transcripts import Transcript

DAY = date(2026, 3, 1)
ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()), max_size=20)  # surrogates and NUL included
ANY_TIME = st.none() | st.floats() | st.integers(0, 20).map(float)
PERSON_IDS = st.none() | st.sampled_from(["0", "1", "2", "7", "Lee Park", ""])
SEGMENTS = st.lists(st.builds(Segment, PERSON_IDS, ANY_TEXT, ANY_TIME, ANY_TIME), max_size=12)
NAMES = st.none() | st.sampled_from(["Dana Ortiz", "dana ortiz", "Lee Park", " "]) | ANY_TEXT
EMAILS = st.none() | st.sampled_from(["dana@acme.example", "DANA@acme.example", "lee@northwind.example"])
PEOPLE = st.lists(
    st.builds(
        Person,
        person_id=st.sampled_from(["0", "1", "2", "3", "joined:a", "joined:b"]),
        name=NAMES,
        email=EMAILS,
        phone=st.none() | st.just("+1 555 0100"),
        side=st.sampled_from(list(Side)),
        user_id=st.none() | st.sampled_from(["u-1", "u-2", "u-9"]),
        is_organizer=st.none() | st.booleans(),
        joined=st.none() | st.booleans(),
    ),
    max_size=6,
)
USERS = (
    User("u-1", "Dana@Acme.example", "Dana Ortiz", "REP", True, "u-2"),
    User("u-2", "max@acme.example", "Max Moor", "MANAGER", False, None),
)


def call(
    segments: Iterable[Segment] = (), people: Iterable[Person] = (), duration_s: float | None = None
) -> CallRecord:
    """A finished call with these segments and people."""
    return CallRecord(
        call_id="call-1",
        started_at=datetime(2026, 3, 1, 15, tzinfo=UTC),
        modified_at=None,
        status_raw="POST_PROCESSING_DONE",
        readiness=Readiness.READY,
        title=None,
        call_type=None,
        disposition=None,
        duration_s=duration_s,
        review_url=None,
        source_id=None,
        recurring_event_id=None,
        people=tuple(people),
        segments=tuple(segments),
    )


def rep(person_id: str = "0", email: str | None = "dana@acme.example", user_id: str | None = "u-1") -> Person:
    """An internal user: no name, as the vendor sends them."""
    return Person(person_id, None, email, None, Side.REP, user_id, is_organizer=True)


def external(person_id: str = "1", name: str | None = "Lee Park", email: str | None = None) -> Person:
    """An invited external."""
    return Person(person_id, name, email, None, Side.PROSPECT)


def joined(person_id: str = "joined:a", name: str | None = "Dana Ortiz", email: str | None = None) -> Person:
    """A person who is only in the list of joined participants."""
    return Person(person_id, name, email, None, Side.UNKNOWN, joined=True)


def segment_of(
    text: str, person_id: str | None = "0", start_s: float | None = None, end_s: float | None = None
) -> Segment:
    """Return a segment of a transcript."""
    return Segment(person_id, text, start_s, end_s)


class Utterance(NamedTuple):
    """One utterance of a transcript, as a row."""

    seq: int
    person_id: str | None
    speaker: str
    side: str
    start_s: float | None
    end_s: float | None
    text: str


def rows(transcript: Transcript) -> list[Utterance]:
    """The utterances of a transcript, one row each."""
    columns = [getattr(transcript.utterances, name) for name in Utterance._fields]
    return [Utterance(*values) for values in zip(*columns, strict=True)]
