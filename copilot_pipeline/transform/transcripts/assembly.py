"""Assemble a transcript from segments: utterances, text and metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from copilot_pipeline.clients.clari.models import CallRecord, Side
from copilot_pipeline.transform.transcripts.metrics import SpeechColumns, SpeechMetrics, compute_metrics
from copilot_pipeline.transform.transcripts.people import ResolvedPerson
from copilot_pipeline.transform.transcripts.speech import prospect_ids, speech_hash
from copilot_pipeline.transform.transcripts.text import (
    UNKNOWN_SPEAKER,
    question_counts,
    spoken_words,
    storable,
    storable_all,
    transcript_text,
    unknown_speaker,
)
from copilot_pipeline.transform.transcripts.timing import estimated_ends, plausible_all, spoken_seconds, time_order

_REP = Side.REP.value


@dataclass(frozen=True, slots=True)
class Utterances:
    """The utterances of a call in time order, one sequence per column."""

    seq: Sequence[int]
    person_id: Sequence[str | None]
    speaker: Sequence[str]
    side: Sequence[str]
    start_s: Sequence[float | None]
    end_s: Sequence[float | None]
    text: Sequence[str]

    def __len__(self) -> int:
        """Return the number of utterances."""
        return len(self.seq)


@dataclass(frozen=True, slots=True)
class Transcript:
    """A call's transcript.

    The three dictionaries are keyed by person id, or by speaker if there is no id.
    """

    utterances: Utterances
    text: str  # `Speaker: text` lines, without a line break at the end
    words: int
    transcript_hash: str  # SHA-256 of the text, hexadecimal
    speech_hash: str  # of the words and the sides, without names
    speaking_seconds: dict[str, float]
    utterance_counts: dict[str, int]
    word_counts: dict[str, int]
    metrics: SpeechMetrics
    redaction: str | None = None  # fingerprint of the policy that redacted the text that is scored
    redacted_text: str | None = None  # the text that is scored, if it is not `text`


@dataclass(frozen=True, slots=True)
class Speaker:
    """The person behind a segment's person id."""

    person_id: str | None
    name: str
    side: str
    key: str  # sums are grouped by it: the person id, else the name


@dataclass(frozen=True, slots=True)
class SpeakerTotals:
    """Sums by speaker, in order of first speech."""

    seconds: dict[str, float]
    utterances: dict[str, int]
    words: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Segments:
    """The segments of a call in time order, one sequence per field.

    Implausible times are None.
    """

    person_ids: Sequence[str | None]
    texts: Sequence[str]
    starts: Sequence[float | None]
    ends: Sequence[float | None]


def assemble(record: CallRecord, people: Sequence[ResolvedPerson]) -> Transcript:
    """Return the transcript of a call.

    Every segment becomes exactly one utterance, also an empty one.
    """
    segments = _in_time_order(record)
    texts = storable_all(segments.texts)
    by_received_id = _speakers(set(segments.person_ids), people)
    speakers = [by_received_id[person_id] for person_id in segments.person_ids]
    keys = [speaker.key for speaker in speakers]
    names = [speaker.name for speaker in speakers]
    utterances = Utterances(
        seq=range(len(speakers)),
        person_id=[speaker.person_id for speaker in speakers],
        speaker=names,
        side=[speaker.side for speaker in speakers],
        start_s=segments.starts,
        end_s=segments.ends,
        text=texts,
    )
    words = spoken_words(texts)
    text = transcript_text(names, texts)
    speech = _speech(record, segments, utterances, keys)
    totals = _totals(keys, speech.seconds, words.counts)
    return Transcript(
        utterances=utterances,
        text=text,
        words=sum(words.counts),
        transcript_hash=sha256(text.encode()).hexdigest(),
        speech_hash=speech_hash(words, _are_prospects(record, segments.person_ids)),
        speaking_seconds=totals.seconds,
        utterance_counts=totals.utterances,
        word_counts=totals.words,
        metrics=compute_metrics(speech),
    )


def _speech(record: CallRecord, segments: _Segments, utterances: Utterances, keys: Sequence[str]) -> SpeechColumns:
    ends = estimated_ends(segments.starts, segments.ends, record.duration_s)
    return SpeechColumns(
        keys=keys,
        person_ids=utterances.person_id,
        is_rep=[side == _REP for side in utterances.side],
        starts=segments.starts,
        ends=ends,
        seconds=spoken_seconds(segments.starts, ends),
        questions=question_counts(utterances.text),
    )


def _are_prospects(record: CallRecord, received_ids: Sequence[str | None]) -> list[bool]:
    """Return for each segment whether the vendor lists its speaker as an external."""
    listed = prospect_ids(record)
    is_prospect = {received: received is not None and storable(received) in listed for received in set(received_ids)}
    return [is_prospect[received] for received in received_ids]


def _in_time_order(record: CallRecord) -> _Segments:
    segments = record.segments
    starts = plausible_all([segment.start_s for segment in segments])
    order = time_order(starts)
    if order is not None:
        segments = tuple(segments[position] for position in order)
        starts = [starts[position] for position in order]
    return _Segments(
        person_ids=[segment.person_id for segment in segments],
        texts=[segment.text for segment in segments],
        starts=starts,
        ends=plausible_all([segment.end_s for segment in segments]),
    )


def _speakers(received_ids: Iterable[str | None], people: Iterable[ResolvedPerson]) -> dict[str | None, Speaker]:
    """Map each person id of the segments to its speaker."""
    by_id: dict[str, Speaker] = {}
    for person in people:
        speaker = Speaker(person.person_id, person.name, person.side.value, key=person.person_id)
        for person_id in (person.person_id, *person.aliases):
            by_id.setdefault(person_id, speaker)
    unknown = Side.UNKNOWN.value
    speakers: dict[str | None, Speaker] = {}
    for received in received_ids:
        person_id = storable(received) if received is not None else ""
        if person_id in by_id:
            speakers[received] = by_id[person_id]
        elif not person_id.strip():
            speakers[received] = Speaker(None, UNKNOWN_SPEAKER, unknown, key=UNKNOWN_SPEAKER)
        else:
            speakers[received] = Speaker(person_id, unknown_speaker(person_id), unknown, key=person_id)
    return speakers


def _totals(keys: Sequence[str], seconds: Sequence[float], words: Sequence[int]) -> SpeakerTotals:
    by_utterances = dict(Counter(keys))
    by_seconds, by_words = dict.fromkeys(by_utterances, 0.0), dict.fromkeys(by_utterances, 0)
    for key, spoken, counted in zip(keys, seconds, words, strict=True):
        by_seconds[key] += spoken
        by_words[key] += counted
    return SpeakerTotals(by_seconds, by_utterances, by_words)
