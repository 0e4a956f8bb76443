"""Speech metrics of a call, recomputed from its utterances.

`calls` has them next to the vendor's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress
from operator import ne, sub
from typing import cast


@dataclass(frozen=True, slots=True)
class SpeechMetrics:
    """Metrics of one call.

    Times in seconds from the start of the call; None if unknown.
    """

    rep_talk_share: float | None = None  # the reps' seconds divided by all seconds, 0 to 1
    speak_duration_s: float | None = None
    longest_monologue_s: float | None = None
    longest_monologue_start_s: float | None = None
    longest_monologue_person_id: str | None = None
    questions: int = 0
    questions_by_reps: int = 0
    turns: int = 0  # uninterrupted stretches of one speaker
    speaker_switches: int = 0


@dataclass(frozen=True, slots=True)
class Monologue:
    """An uninterrupted stretch of one speaker."""

    seconds: float
    start_s: float
    first: int  # position of its first utterance


@dataclass(frozen=True, slots=True)
class SpeechColumns:
    """Utterances in time order, one sequence per field; missing `ends` are estimated."""

    keys: Sequence[str]
    person_ids: Sequence[str | None]
    is_rep: Sequence[bool]
    starts: Sequence[float | None]
    ends: Sequence[float | None]
    seconds: Sequence[float]
    questions: Sequence[int]


def compute_metrics(speech: SpeechColumns) -> SpeechMetrics:
    """Return the metrics of one call. If no time is known, only counts are set."""
    turns = turn_starts(speech.keys)
    longest = longest_monologue(speech, turns)
    total = sum(speech.seconds)
    by_reps = sum(compress(speech.seconds, speech.is_rep))
    return SpeechMetrics(
        # Both sums run in the same order, yet rounding may still differ in the last digit.
        rep_talk_share=min(by_reps / total, 1.0) if total > 0 else None,
        # Without utterances the duration is 0; with utterances but without times it is unknown.
        speak_duration_s=total if longest is not None or not speech.keys else None,
        longest_monologue_s=longest.seconds if longest else None,
        longest_monologue_start_s=longest.start_s if longest else None,
        longest_monologue_person_id=speech.person_ids[longest.first] if longest else None,
        questions=sum(speech.questions),
        questions_by_reps=sum(compress(speech.questions, speech.is_rep)),
        turns=len(turns),
        speaker_switches=max(len(turns) - 1, 0),
    )


def turn_starts(keys: Sequence[str]) -> list[int]:
    """Return the positions at which the speaker changes, the first position included."""
    if not keys:
        return []
    return [0, *compress(range(1, len(keys)), map(ne, keys, keys[1:]))]


def longest_monologue(speech: SpeechColumns, turns: Sequence[int]) -> Monologue | None:
    """Return the longest stretch of one speaker.

    The earliest of several equally long ones.
    """
    starts, ends = speech.starts, speech.ends
    if not turns:
        return None
    if None not in starts and None not in ends:
        known_starts, known_ends = cast("Sequence[float]", starts), cast("Sequence[float]", ends)
        if list(known_ends) == sorted(known_ends):
            return _longest_in_order(known_starts, known_ends, turns)
    longest: Monologue | None = None
    for first, after in zip(turns, [*turns[1:], len(starts)], strict=True):
        candidate = monologue(starts[first:after], ends[first:after], first)
        if candidate is not None and (longest is None or candidate.seconds > longest.seconds):
            longest = candidate
    return longest


def monologue(starts: Iterable[float | None], ends: Iterable[float | None], first: int) -> Monologue | None:
    """Return one speaker's stretch, from its first start to its latest end.

    None if no start is known.
    """
    known_starts = [start for start in starts if start is not None]
    if not known_starts:
        return None
    start = known_starts[0]
    end = max((end for end in ends if end is not None), default=start)
    return Monologue(max(end - start, 0.0), start, first)


def _longest_in_order(starts: Sequence[float], ends: Sequence[float], turns: Sequence[int]) -> Monologue:
    """Return the longest monologue of a call with known times and ascending ends."""
    first_starts = [starts[first] for first in turns]
    last_ends = [*(ends[after - 1] for after in turns[1:]), ends[-1]]
    lengths = list(map(sub, last_ends, first_starts))
    longest = max(max(lengths), 0.0)
    # If every end precedes its start, no stretch is longer than 0 seconds and the first one is returned.
    turn = lengths.index(longest) if longest > 0 else 0
    return Monologue(longest, first_starts[turn], turns[turn])
