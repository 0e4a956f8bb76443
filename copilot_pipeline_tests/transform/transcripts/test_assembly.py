"""Utterances, text and hash."""

from __future__ import annotations

import math
from hashlib import sha256

import pytest
from hypothesis import given

from copilot_pipeline.clients.clari.models import Person, Segment
from copilot_pipeline.transform.transcripts import Transcript, UserDirectory, assemble, resolve_people
from copilot_pipeline_tests.transform.transcripts.examples import (
    PEOPLE,
    SEGMENTS,
    USERS,
    call,
    external,
    joined,
    rep,
    said,
)

DIRECTORY = UserDirectory(USERS)


def _assemble(segments: list[Segment], people: list[Person] | None = None) -> Transcript:
    record = call(segments, [rep(), external()] if people is None else people)
    return assemble(record, resolve_people(record, DIRECTORY))


@pytest.mark.parametrize(
    ("starts", "order"),
    [
        ([], ""),
        ([0, 1, 2], "abc"),
        ([2, 1, 0], "cba"),
        ([1, 1, 0], "cab"),
        ([5, None, 1, None], "cdab"),
        ([None, 3, None, 1], "adbc"),
        ([None, None], "ab"),
        ([2, math.nan, 1], "cab"),
        ([math.inf, 1, 0], "acb"),
    ],
)
def test_order(starts: list[float | None], order: str) -> None:
    """Utterances go by start; ties keep the order received; one without a start stays after its predecessor."""
    transcript = _assemble([said(letter, "0", start) for letter, start in zip("abcd", starts, strict=False)])
    assert "".join(utterance.text for utterance in transcript.utterances) == order
    assert [utterance.seq for utterance in transcript.utterances] == list(range(len(starts)))


@pytest.mark.parametrize(
    ("person_id", "expected"),
    [
        ("0", ("0", "Dana Ortiz", "rep")),
        ("1", ("1", "Lee Park", "prospect")),
        ("7", ("7", "Unknown Speaker 7", "unknown")),
        (None, (None, "Unknown Speaker", "unknown")),
        (" ", (None, "Unknown Speaker", "unknown")),
        ("x\ud800", ("x\ufffd", "Unknown Speaker x\ufffd", "unknown")),
    ],
)
def test_speaker(person_id: str | None, expected: tuple[str | None, str, str]) -> None:
    """A person id, 0 included, leads to the person; one that matches nobody still names who spoke."""
    (utterance,) = _assemble([said("hi", person_id)]).utterances
    assert (utterance.person_id, utterance.speaker, utterance.side) == expected


def test_speech_under_an_alias_belongs_to_the_listed_person() -> None:
    """What a folded person says under the second id is the listed person's."""
    transcript = _assemble([said("hi", "5", 0, 2)], [rep(), joined("5")])
    assert transcript.utterances[0][1:4] == ("0", "Dana Ortiz", "rep")
    assert transcript.speaking_seconds == {"0": 2}


def test_namesakes_stay_two() -> None:
    """Two people with one display name are told apart by their ids."""
    transcript = _assemble([said("a", "1", 0, 1), said("b", "2", 1, 3)], [external("1"), external("2")])
    assert transcript.speaking_seconds == {"1": 1, "2": 2}
    assert transcript.text == "Lee Park: a\nLee Park: b"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("hello", "Dana Ortiz: hello"),
        ("a\nb", "Dana Ortiz: a b"),
        ("a\r\n\r\nb\n", "Dana Ortiz: a b"),
        ("a\u2028b\x0bc\x85d", "Dana Ortiz: a b c d"),
        ("", ""),
        (" \n\u00a0", ""),
        ("a\x00b\ud83d", "Dana Ortiz: a\ufffdb\ufffd"),
        ("\x00", "Dana Ortiz: \ufffd"),
        ("😀 naïve", "Dana Ortiz: 😀 naïve"),
    ],
)
def test_document(text: str, line: str) -> None:
    """A line is an utterance: line breaks become spaces, silence has no line, what UTF-8 refuses is replaced."""
    assert _assemble([said(text)]).text == line


def test_row_keeps_its_text_and_times() -> None:
    """An utterance's row keeps line breaks and a missing end; only impossible times are dropped."""
    rows = _assemble([said("a\nb", "0", 1), said("", "1", 2, math.inf)]).utterances
    assert [row[4:] for row in rows] == [(1, None, "a\nb"), (2, None, "")]


def test_halves_of_a_surrogate_pair_in_neighbours_do_not_pass_as_one_character() -> None:
    """Every text is storable by itself, not only together with its neighbour."""
    rows = _assemble([said("\ud83d"), said("\ude00")]).utterances
    assert [row.text for row in rows] == ["\ufffd", "\ufffd"]


def test_call_without_speech() -> None:
    """No segments give an empty transcript, not an error."""
    transcript = _assemble([])
    assert (transcript.utterances, transcript.text, transcript.words) == ([], "", 0)
    assert transcript.metrics.speak_duration_s == 0
    assert transcript.metrics.rep_talk_share is None


@given(segments=SEGMENTS, people=PEOPLE)
def test_every_segment_becomes_one_utterance(segments: list[Segment], people: list[Person]) -> None:
    """Nothing is dropped, merged or reworded, whatever Unicode and times arrive; the result is repeatable."""
    transcript = _assemble(segments, people)
    replaced = str.maketrans({"\x00": "\ufffd"} | {chr(code): "\ufffd" for code in range(0xD800, 0xE000)})
    received = sorted(segment.text.translate(replaced) for segment in segments)
    assert sorted(utterance.text for utterance in transcript.utterances) == received
    starts = [utterance.start_s for utterance in transcript.utterances if utterance.start_s is not None]
    assert starts == sorted(starts)
    assert transcript == _assemble(segments, people)


@given(segments=SEGMENTS, people=PEOPLE)
def test_text_has_one_line_for_each_utterance_that_says_something(
    segments: list[Segment], people: list[Person]
) -> None:
    """Lines, words and hash of the document follow from the utterances."""
    transcript = _assemble(segments, people)
    spoken = [utterance for utterance in transcript.utterances if utterance.text.strip()]
    lines = transcript.text.splitlines()
    assert len(lines) == len(spoken)
    assert all(line.startswith(f"{row.speaker}: ") for line, row in zip(lines, spoken, strict=True))
    assert transcript.transcript_hash == sha256(transcript.text.encode()).hexdigest()
    assert transcript.words == sum(len(row.text.split()) for row in spoken)
    assert "\x00" not in transcript.text


@given(segments=SEGMENTS)
def test_already_ordered_segments_keep_their_order(segments: list[Segment]) -> None:
    """Assembling what was assembled changes nothing but the numbering."""
    once = _assemble(segments)
    again = _assemble([Segment(row.person_id, row.text, row.start_s, row.end_s) for row in once.utterances])
    assert again.utterances == once.utterances
    assert again.transcript_hash == once.transcript_hash
