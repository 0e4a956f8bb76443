"""Assembly of transcripts: utterances, text and hash."""

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
    rows,
    segment_of,
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
def test_orders_utterances_by_start(starts: list[float | None], order: str) -> None:
    """Ties keep the order received.

    An utterance without a start stays after its predecessor.
    """
    transcript = _assemble([segment_of(letter, "0", start) for letter, start in zip("abcd", starts, strict=False)])
    assert "".join(utterance.text for utterance in rows(transcript)) == order
    assert [utterance.seq for utterance in rows(transcript)] == list(range(len(starts)))


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
def test_resolves_the_speaker_of_a_person_id(person_id: str | None, expected: tuple[str | None, str, str]) -> None:
    """Person id 0 is an id like others.

    An id of no known person still gives a speaker name.
    """
    (utterance,) = rows(_assemble([segment_of("hi", person_id)]))
    assert (utterance.person_id, utterance.speaker, utterance.side) == expected


def test_attributes_speech_under_an_alias_to_the_listed_person() -> None:
    """Segments with the id of a merged duplicate count for the listed person."""
    transcript = _assemble([segment_of("hi", "5", 0, 2)], [rep(), joined("5")])
    assert rows(transcript)[0][1:4] == ("0", "Dana Ortiz", "rep")
    assert transcript.speaking_seconds == {"0": 2}


def test_keeps_namesakes_apart() -> None:
    """Two people with the same display name are distinguished by their ids."""
    transcript = _assemble([segment_of("a", "1", 0, 1), segment_of("b", "2", 1, 3)], [external("1"), external("2")])
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
def test_writes_one_line_per_utterance(text: str, line: str) -> None:
    """Line breaks become spaces, and blank utterances have no line."""
    assert _assemble([segment_of(text)]).text == line


def test_rows_keep_line_breaks_and_missing_ends() -> None:
    """Only impossible times are removed from a row."""
    transcript = _assemble([segment_of("a\nb", "0", 1), segment_of("", "1", 2, math.inf)])
    assert [row[4:] for row in rows(transcript)] == [(1, None, "a\nb"), (2, None, "")]


def test_replaces_surrogate_halves_in_neighbouring_utterances() -> None:
    """Each text is storable on its own, not only joined with its neighbour."""
    transcript = _assemble([segment_of("\ud83d"), segment_of("\ude00")])
    assert [row.text for row in rows(transcript)] == ["\ufffd", "\ufffd"]


def test_assembles_a_call_without_speech() -> None:
    """A call without segments has an empty transcript."""
    transcript = _assemble([])
    assert (rows(transcript), transcript.text, transcript.words) == ([], "", 0)
    assert transcript.metrics.speak_duration_s == 0
    assert transcript.metrics.rep_talk_share is None


@given(segments=SEGMENTS, people=PEOPLE)
def test_every_segment_becomes_one_utterance(segments: list[Segment], people: list[Person]) -> None:
    """No segment is dropped, merged or changed, for any Unicode text and any times.

    The result is deterministic.
    """
    transcript = _assemble(segments, people)
    replaced = str.maketrans({"\x00": "\ufffd"} | {chr(code): "\ufffd" for code in range(0xD800, 0xE000)})
    received = sorted(segment.text.translate(replaced) for segment in segments)
    assert sorted(utterance.text for utterance in rows(transcript)) == received
    starts = [utterance.start_s for utterance in rows(transcript) if utterance.start_s is not None]
    assert starts == sorted(starts)
    assert transcript == _assemble(segments, people)


@given(segments=SEGMENTS, people=PEOPLE)
def test_text_has_one_line_for_each_utterance_that_is_not_blank(segments: list[Segment], people: list[Person]) -> None:
    """Lines, word count and hash follow from the utterances."""
    transcript = _assemble(segments, people)
    not_blank = [utterance for utterance in rows(transcript) if utterance.text.strip()]
    lines = transcript.text.splitlines()
    assert len(lines) == len(not_blank)
    assert all(line.startswith(f"{row.speaker}: ") for line, row in zip(lines, not_blank, strict=True))
    assert transcript.transcript_hash == sha256(transcript.text.encode()).hexdigest()
    assert transcript.words == sum(len(row.text.split()) for row in not_blank)
    assert "\x00" not in transcript.text


@given(segments=SEGMENTS)
def test_assembly_is_idempotent(segments: list[Segment]) -> None:
    """Assembling assembled utterances again gives the same rows and the same hash."""
    once = _assemble(segments)
    again = _assemble([Segment(row.person_id, row.text, row.start_s, row.end_s) for row in rows(once)])
    assert rows(again) == rows(once)
    assert again.transcript_hash == once.transcript_hash
