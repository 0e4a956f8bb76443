"""What makes a new paid run: words and sides, not names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copilot_pipeline.clients.clari.models import CallRecord, Person, Segment, Side, User
from copilot_pipeline.clients.clari.people import merge_people
from copilot_pipeline.transform.transcripts import UserDirectory, assemble, resolve_people
from copilot_pipeline.transform.transcripts.text import spoken_words
from copilot_pipeline_tests.transform.transcripts.examples import (
    EMAILS,
    NAMES,
    PEOPLE,
    SEGMENTS,
    USERS,
    call,
    external,
    joined,
    rep,
    segment_of,
)

DIRECTORIES = st.lists(
    st.builds(
        User,
        user_id=st.sampled_from(["u-1", "u-2", "u-9"]),
        email=EMAILS,
        name=NAMES,
        role=st.sampled_from([None, "REP", "MANAGER"]),
        is_recording=st.booleans(),
        manager_id=st.none() | st.just("u-2"),
    ),
    max_size=4,
).map(UserDirectory)
TALK = (
    segment_of("Hello there.", "0", 0, 1),
    segment_of("Hi.", "1", 1, 2),
    segment_of("What does it cost?", "1", 2, 3),
)


def _speech(record: CallRecord, directory: UserDirectory | None = None) -> str:
    directory = directory or UserDirectory(USERS)
    return assemble(record, resolve_people(record, directory)).speech_hash


@given(st.lists(st.text("ab \t\n\x1f\u00a0\u200b\u2003é"), max_size=4))
def test_words_are_separated_by_any_white_space(texts: list[str]) -> None:
    words = spoken_words(texts)
    assert list(words.counts) == [len(text.split()) for text in texts]
    assert words.text == " ".join(word for text in texts for word in text.split())


@given(SEGMENTS, PEOPLE, DIRECTORIES, DIRECTORIES)
def test_users_do_not_change_it(
    segments: list[Segment], people: list[Person], before: UserDirectory, after: UserDirectory
) -> None:
    """Late, renamed, removed and merged users: the same speech."""
    record = call(segments, people)
    assert _speech(record, before) == _speech(record, after)


@given(SEGMENTS, PEOPLE, st.lists(st.tuples(NAMES, EMAILS), min_size=6, max_size=6))
def test_names_and_addresses_on_the_call_do_not_change_it(
    segments: list[Segment], people: list[Person], labels: list[tuple[str | None, str | None]]
) -> None:
    """A participant is renamed, or gets another address."""
    # Of two entries with one id, the one with more information is chosen, whose side may be another.
    unique = list({person.person_id: person for person in people}.values())
    renamed = [replace(person, name=name, email=email) for person, (name, email) in zip(unique, labels, strict=False)]
    assert _speech(call(segments, unique)) == _speech(call(segments, renamed))


@given(st.lists(st.sampled_from(["a", "b c", " d\te ", "", "\u3000f"]), min_size=1, max_size=8), st.data())
def test_borders_between_utterances_of_one_side_do_not_change_it(texts: list[str], data: st.DataObject) -> None:
    """Speakers of one side are merged or split, and utterances are joined."""
    ids = data.draw(st.lists(st.sampled_from(["1", "2"]), min_size=len(texts), max_size=len(texts)))
    people = [external("1"), external("2", "Kim Roe")]
    split = call([segment_of(text, person_id) for text, person_id in zip(texts, ids, strict=True)], people)
    assert _speech(split) == _speech(call([segment_of("\n".join(texts), "1")], people))


@pytest.mark.parametrize(
    "segments",
    [
        (*TALK[:2], segment_of("What does it cost now?", "1", 2, 3)),  # a word more
        (*TALK[:2], segment_of("What does it cost.", "1", 2, 3)),  # not a question
        TALK[:2],  # a sentence less
        (TALK[0], TALK[1]._replace(start_s=3), TALK[2]),  # another order
        (*TALK[:2], segment_of("What does it cost?", "0", 2, 3)),  # said by the rep
        (segment_of("Hello there.", "1", 0, 1), *TALK[1:]),  # said by the prospect
    ],
)
def test_words_and_sides_change_it(segments: tuple[Segment, ...]) -> None:
    """What was said, in which order, and by which side."""
    people = (rep(), external())
    assert _speech(call(segments, people)) != _speech(call(TALK, people))


def test_a_rep_whom_only_the_directory_lists_is_no_change() -> None:
    """The side becomes `rep` when the users arrive; the speech is the same."""
    people = (joined("0", "D.", "dana@acme.example"), external())
    record = call(TALK, people)
    late, early = UserDirectory(), UserDirectory(USERS)
    assert [person.side for person in resolve_people(record, late)] == [Side.UNKNOWN, Side.PROSPECT]
    assert [person.side for person in resolve_people(record, early)] == [Side.REP, Side.PROSPECT]
    assert _speech(record, late) == _speech(record, early)


@pytest.mark.parametrize("external_number", [{"personId": 1}, {}])
def test_a_match_by_name_is_no_side(external_number: dict[str, Any]) -> None:
    """A person who joined and has the name of an external is shown as one; a new spelling changes only that."""

    def record(name: str) -> CallRecord:
        listed = {"externalParticipants": [{"name": "Lee Park", **external_number}]}
        people = merge_people({**listed, "joinedParticipants": [{"name": name, "personId": 5}]})
        return call([segment_of("Hi.", "5")], people)

    before, after = record("Lee Park"), record("Lee Parker")
    assert [utterance_side(one) for one in (before, after)] == ["prospect", "unknown"]
    assert _speech(before) == _speech(after)


def test_a_match_by_address_is_a_side() -> None:
    """The address of an external identifies them under another personId."""
    people = merge_people(
        {
            "externalParticipants": [{"email": "lee@n.example", "personId": 1}],
            "joinedParticipants": [{"email": "LEE@n.example", "personId": 5}],
        }
    )
    assert _speech(call([segment_of("Hi.", "5")], people)) == _speech(call([segment_of("Hi.", "1")], people))
    assert _speech(call([segment_of("Hi.", "5")], people)) != _speech(call([segment_of("Hi.", "7")], people))


def utterance_side(record: CallRecord) -> str:
    """The side of the first utterance."""
    return assemble(record, resolve_people(record, UserDirectory())).utterances.side[0]
