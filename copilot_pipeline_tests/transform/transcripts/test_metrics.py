"""Speech metrics of a call and of each participant."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copilot_pipeline.clients.clari.dialects import dialect_named
from copilot_pipeline.clients.clari.models import CallRecord, Person, Segment
from copilot_pipeline.transform.rows import ParticipantRow
from copilot_pipeline.transform.transcripts import (
    SpeechMetrics,
    UserDirectory,
    assemble,
    participant_rows,
    resolve_people,
)
from copilot_pipeline_tests.transform.transcripts.examples import (
    ANY_TIME,
    DAY,
    PEOPLE,
    SEGMENTS,
    USERS,
    call,
    external,
    rep,
    segment_of,
)
from copilot_pipeline_tests.transform.transcripts.examples import (
    rows as rows_of,
)

DIRECTORY = UserDirectory(USERS)


def _metrics(*segments: Segment, duration_s: float | None = None) -> SpeechMetrics:
    record = call(segments, [rep(), external()], duration_s)
    return assemble(record, resolve_people(record, DIRECTORY)).metrics


def _rows(record: CallRecord) -> list[ParticipantRow]:
    people = resolve_people(record, DIRECTORY)
    return participant_rows(record, DAY, people, assemble(record, people))


def test_talk_share_counts_unknown_speakers() -> None:
    """The reps' share is their seconds divided by all seconds."""
    metrics = _metrics(segment_of("a", "0", 0, 3), segment_of("b", "1", 3, 4), segment_of("c", "7", 4, 10))
    assert (metrics.rep_talk_share, metrics.speak_duration_s) == (0.3, 10)


@pytest.mark.parametrize(
    ("segments", "duration_s", "expected"),
    [
        ([segment_of("a", "0", 0), segment_of("b", "1", 4)], 10, (0.4, 10)),
        ([segment_of("a", "0", 0), segment_of("b", "1", 4)], None, (1, 4)),
        ([segment_of("a", "0", 0), segment_of("b", "1"), segment_of("c", "1", 4)], 5, (0.8, 5)),
        ([segment_of("a", "0", 6)], 5, (None, 0)),
        ([segment_of("a", "0", 3, 1)], None, (None, 0)),
        ([segment_of("a", "0"), segment_of("b", "1")], 10, (None, None)),
        ([segment_of("a", "0", math.nan, math.inf)], math.nan, (None, None)),
        ([segment_of("a", "0", 0, 1e308), segment_of("b", "1", 0, 1e308)], 2, (0, 2)),
    ],
)
def test_estimates_missing_ends_and_ignores_impossible_times(
    segments: list[Segment], duration_s: float | None, expected: tuple[float | None, float | None]
) -> None:
    """A missing end is the next start or the end of the call.

    An utterance that ends before its start has 0 seconds.
    """
    metrics = _metrics(*segments, duration_s=duration_s)
    assert (metrics.rep_talk_share, metrics.speak_duration_s) == expected


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        ([segment_of("a", "0", 0, 2), segment_of("b", "0", 3, 5), segment_of("c", "1", 5, 9)], (5, 0, "0")),
        ([segment_of("a", "0", 0, 2), segment_of("b", "1", 2, 9)], (7, 2, "1")),
        ([segment_of("a", "0", 0, 9), segment_of("b", "0", 1, 2), segment_of("c", "1", 9, 10)], (9, 0, "0")),
        ([segment_of("a", "0", 0, 2), segment_of("b", "1", 2, 4)], (2, 0, "0")),
        ([segment_of("a", "0"), segment_of("b", "1", 2, 4)], (2, 2, "1")),
        ([segment_of("a", "0", 5, 4), segment_of("b", "1", 6, 5)], (0, 5, "0")),
        ([segment_of("a", "0")], (None, None, None)),
        ([], (None, None, None)),
    ],
)
def test_finds_the_longest_monologue(
    segments: list[Segment], expected: tuple[float | None, float | None, str | None]
) -> None:
    """From a speaker's first start to the latest end before the speaker changes."""
    metrics = _metrics(*segments)
    result = (metrics.longest_monologue_s, metrics.longest_monologue_start_s, metrics.longest_monologue_person_id)
    assert result == expected


@pytest.mark.parametrize(
    ("text", "questions"),
    [
        ("", 0),
        ("No.", 0),
        ("Why?", 1),
        ("Why?? Really?", 2),
        ("为什么\uff1f", 1),
        ("لماذا\u061f", 1),
        ("a? b? c", 2),
        ("é?", 1),
    ],
)
def test_counts_runs_of_question_marks(text: str, questions: int) -> None:
    """A run of question marks of any script is one question.

    The reps' questions are counted separately.
    """
    metrics = _metrics(segment_of(text, "0"), segment_of(text, "1"))
    assert (metrics.questions, metrics.questions_by_reps) == (2 * questions, questions)


@pytest.mark.parametrize(("speakers", "turns"), [("", 0), ("0", 1), ("000", 1), ("0101", 4), ("0011", 2)])
def test_counts_turns(speakers: str, turns: int) -> None:
    """A turn ends when the speaker changes."""
    metrics = _metrics(*(segment_of("a", speaker) for speaker in speakers))
    assert (metrics.turns, metrics.speaker_switches) == (turns, max(turns - 1, 0))


def test_each_listed_person_and_each_unknown_speaker_has_a_row() -> None:
    """Listed people have a row even if silent.

    So does an id that spoke without being listed.
    """
    rows = _rows(
        call(
            [segment_of("one two", "0", 0, 3), segment_of("three", "7", 3, 4), segment_of("x", None)],
            [rep(), external()],
        )
    )
    assert [(row.person_id, row.name, row.side) for row in rows] == [
        ("0", "Dana Ortiz", "rep"),
        ("1", "Lee Park", "prospect"),
        ("7", "Unknown Speaker 7", "unknown"),
    ]
    assert [(row.talk_seconds, row.talk_share, row.utterances, row.words) for row in rows] == [
        (3, 0.75, 1, 2),
        (0, 0, 0, 0),
        (1, 0.25, 1, 1),
    ]


def test_shares_are_null_without_known_speech() -> None:
    """Without known times the shares are null, not zero."""
    assert [row.talk_share for row in _rows(call([segment_of("a", "0")], [rep(), external()]))] == [None, None]


def test_no_participant_without_a_listing_or_a_word() -> None:
    """An id whose only segments are empty has no row; with a word it has one."""
    people = [rep(), external()]
    silent = call([segment_of("a", "0", 0, 1), segment_of(" \n", "7", 1, 2), segment_of("", "8")], people)
    assert [(row.person_id, row.talk_share) for row in _rows(silent)] == [("0", 1.0), ("1", 0.0)]
    assert [row.person_id for row in _rows(call([segment_of("", "7"), segment_of("a", "7")], people))] == [
        "0",
        "1",
        "7",
    ]


def test_a_silent_speaker_of_the_guide_dialect_is_no_participant() -> None:
    """In that dialect a turn names its speaker, who need not be listed."""
    turns = [{"speaker": "Dana", "text": "Hello."}, {"speaker": "Echo", "text": " "}, {"speaker": "Kim", "text": "Hi."}]
    body = {"id": "c-1", "date": "2026-03-01T15:00:00Z", "participants": [{"name": "Dana"}], "transcript": turns}
    record = dialect_named("guide").parse_call(json.dumps(body).encode(), None, listed_is_newer=True)
    assert [row.person_id for row in _rows(record)] == ["Dana", "Kim"]
    assert [utterance.text for utterance in rows_of(assemble(record, resolve_people(record, DIRECTORY)))][1] == " "


@given(segments=SEGMENTS, people=PEOPLE, duration_s=ANY_TIME)
def test_metrics_are_consistent(segments: list[Segment], people: list[Person], duration_s: float | None) -> None:
    """Shares sum to 1, counts to the total, and no value is NaN or negative."""
    identified = [segment for segment in segments if segment.person_id]
    record = call(identified, people, duration_s)
    rows = _rows(record)
    shares = [row.talk_share for row in rows if row.talk_share is not None]
    assert not shares or math.isclose(sum(shares), 1)
    of_rows = {row.person_id for row in rows}
    assembled = assemble(record, resolve_people(record, DIRECTORY))
    dropped = [utterance for utterance in rows_of(assembled) if utterance.person_id not in of_rows]
    assert not any(utterance.text.strip() for utterance in dropped)
    assert sum(row.utterances for row in rows) == len(identified) - len(dropped)
    assert len({row.person_id for row in rows}) == len(rows)
    metrics = assembled.metrics
    assert metrics.rep_talk_share is None or 0 <= metrics.rep_talk_share <= 1
    for seconds in (metrics.speak_duration_s, metrics.longest_monologue_s, *(row.talk_seconds for row in rows)):
        assert seconds is None or (math.isfinite(seconds) and seconds >= 0)
    assert sum(row.words for row in rows) == sum(len(segment.text.split()) for segment in identified)


@given(
    st.lists(st.tuples(st.sampled_from("01"), st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=10),
)
def test_longest_monologue_equals_a_simple_computation(turns: list[tuple[str, int, int]]) -> None:
    """Both paths of the computation are equal to a turn-by-turn loop."""
    ordered = sorted(turns, key=lambda turn: turn[1])
    best = 0
    position = 0
    while position < len(ordered):
        after = position
        while after < len(ordered) and ordered[after][0] == ordered[position][0]:
            after += 1
        best = max(best, max(end for _, _, end in ordered[position:after]) - ordered[position][1])
        position = after
    assert (
        _metrics(*(segment_of("a", speaker, start, end) for speaker, start, end in turns)).longest_monologue_s == best
    )
