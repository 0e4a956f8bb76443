"""From the segments of a call to its transcript: utterances in time order, the text, the numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import NamedTuple

from copilot_pipeline.clients.clari.models import CallRecord, Side
from copilot_pipeline.transform.transcripts.metrics import Columns, SpokenMetrics, measure
from copilot_pipeline.transform.transcripts.people import ResolvedPerson
from copilot_pipeline.transform.transcripts.text import (
    UNKNOWN_SPEAKER,
    document,
    question_counts,
    storable,
    storable_all,
    unknown_speaker,
    word_counts,
)
from copilot_pipeline.transform.transcripts.timing import estimated_ends, plausible_all, spoken_seconds, time_order


class Utterance(NamedTuple):
    """One turn of speech. Plain values only, so that `zip(*utterances)` gives the columns of a table."""

    seq: int
    person_id: str | None
    speaker: str
    side: str
    start_s: float | None
    end_s: float | None
    text: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """A call's transcript. The three dictionaries go by person id, or by speaker where there is no id."""

    utterances: list[Utterance]
    text: str  # `Speaker: text` lines, without a line break at the end
    words: int
    transcript_hash: str  # SHA-256 of the text, hexadecimal
    speaking_seconds: dict[str, float]
    utterance_counts: dict[str, int]
    word_counts: dict[str, int]
    metrics: SpokenMetrics


# `Utterance._make` without its own call and check of the length: a third of the time, hundreds of times a call.
_UTTERANCE = partial(tuple.__new__, Utterance)


class Voice(NamedTuple):
    """Whom a segment's person id stands for."""

    person_id: str | None
    speaker: str
    side: str
    key: str  # what sums go by: the person id, else the speaker


class Tallies(NamedTuple):
    """Sums by speaker, in order of first speech."""

    seconds: dict[str, float]
    utterances: dict[str, int]
    words: dict[str, int]


def assemble(record: CallRecord, people: Sequence[ResolvedPerson]) -> Transcript:
    """The transcript of a call. Every segment becomes exactly one utterance, also an empty one."""
    ids, received_texts, starts, ends = _in_time_order(record)
    texts = storable_all(received_texts)
    voices = _voices(set(ids), people)
    person_ids, speakers, sides, keys = _columns(list(map(voices.__getitem__, ids)))
    until = estimated_ends(starts, ends, record.duration_s)
    seconds = spoken_seconds(starts, until)
    words = word_counts(texts)
    text = document(speakers, texts)
    tallies = _tally(keys, seconds, words)
    rep = Side.REP.value
    is_rep = [side == rep for side in sides]
    rows = zip(range(len(ids)), person_ids, speakers, sides, starts, ends, texts, strict=True)
    return Transcript(
        utterances=list(map(_UTTERANCE, rows)),
        text=text,
        words=sum(words),
        transcript_hash=sha256(text.encode()).hexdigest(),
        speaking_seconds=tallies.seconds,
        utterance_counts=tallies.utterances,
        word_counts=tallies.words,
        metrics=measure(Columns(keys, person_ids, is_rep, starts, until, seconds, question_counts(texts))),
    )


def _in_time_order(
    record: CallRecord,
) -> tuple[Sequence[str | None], Sequence[str], Sequence[float | None], Sequence[float | None]]:
    """The segments' ids, texts, starts and ends, ordered by start; times that make no sense are None."""
    if not record.segments:
        return (), (), (), ()
    ids, texts, raw_starts, raw_ends = zip(*record.segments, strict=True)
    starts, ends = plausible_all(raw_starts), plausible_all(raw_ends)
    order = time_order(starts)
    if order is None:
        return ids, texts, starts, ends
    return (
        [ids[position] for position in order],
        [texts[position] for position in order],
        [starts[position] for position in order],
        [ends[position] for position in order],
    )


def _voices(ids: Iterable[str | None], people: Iterable[ResolvedPerson]) -> dict[str | None, Voice]:
    """Each person id of the segments -> who that is; worked out once an id, not once an utterance."""
    known: dict[str, Voice] = {}
    for person in people:
        voice = Voice(person.person_id, person.name, person.side.value, person.person_id)
        for person_id in (person.person_id, *person.aliases):
            known.setdefault(person_id, voice)
    unknown = Side.UNKNOWN.value
    voices: dict[str | None, Voice] = {}
    for received in ids:
        person_id = storable(received) if received is not None else ""
        if person_id in known:
            voices[received] = known[person_id]
        elif not person_id.strip():
            voices[received] = Voice(None, UNKNOWN_SPEAKER, unknown, UNKNOWN_SPEAKER)
        else:
            voices[received] = Voice(person_id, unknown_speaker(person_id), unknown, person_id)
    return voices


def _columns(
    voices: Sequence[Voice],
) -> tuple[Sequence[str | None], Sequence[str], Sequence[str], Sequence[str]]:
    """Person ids, speakers, sides and keys of the voices."""
    if not voices:
        return (), (), (), ()
    person_ids, speakers, sides, keys = zip(*voices, strict=True)
    return person_ids, speakers, sides, keys


def _tally(keys: Sequence[str], seconds: Sequence[float], words: Sequence[int]) -> Tallies:
    """Seconds, utterances and words of each speaker."""
    by_utterances = dict(Counter(keys))
    by_seconds, by_words = dict.fromkeys(by_utterances, 0.0), dict.fromkeys(by_utterances, 0)
    for key, spoken, counted in zip(keys, seconds, words, strict=True):
        by_seconds[key] += spoken
        by_words[key] += counted
    return Tallies(by_seconds, by_utterances, by_words)
