"""The call's numbers, recomputed from its utterances; they stand beside the vendor's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress
from operator import ne, sub
from typing import NamedTuple, cast


@dataclass(frozen=True, slots=True)
class SpokenMetrics:
    """What can be counted in a transcript. Times in seconds from the start of the call; None where unknown."""

    rep_talk_share: float | None = None  # the reps' seconds by everybody's, 0 to 1
    speak_duration_s: float | None = None
    longest_monologue_s: float | None = None
    longest_monologue_start_s: float | None = None
    longest_monologue_person_id: str | None = None
    questions: int = 0
    questions_by_reps: int = 0
    turns: int = 0  # uninterrupted stretches of one speaker
    speaker_switches: int = 0


class Monologue(NamedTuple):
    """A stretch of one speaker: seconds, start, and the position of its first utterance."""

    seconds: float
    start_s: float
    first: int


class Columns(NamedTuple):
    """Utterances in time order, a column each; `ends` with the missing ones estimated."""

    keys: Sequence[str]
    person_ids: Sequence[str | None]
    is_rep: Sequence[bool]
    starts: Sequence[float | None]
    ends: Sequence[float | None]
    seconds: Sequence[float]
    questions: Sequence[int]


def turn_starts(keys: Sequence[str]) -> list[int]:
    """Positions at which another speaker than before takes the floor."""
    if not keys:
        return []
    return [0, *compress(range(1, len(keys)), map(ne, keys, keys[1:]))]


def monologue(starts: Iterable[float | None], ends: Iterable[float | None], first: int) -> Monologue | None:
    """One speaker's stretch, from its first start to its latest end; None where no start is known."""
    known_starts = [start for start in starts if start is not None]
    if not known_starts:
        return None
    start = known_starts[0]
    end = max((end for end in ends if end is not None), default=start)
    return Monologue(max(end - start, 0.0), start, first)


def longest_monologue(columns: Columns, turns: Sequence[int]) -> Monologue | None:
    """The longest stretch of one speaker; the earliest of several equally long ones."""
    starts, ends = columns.starts, columns.ends
    if not turns:
        return None
    if None not in starts and None not in ends:
        known_starts, known_ends = cast("Sequence[float]", starts), cast("Sequence[float]", ends)
        if list(known_ends) == sorted(known_ends):
            return _longest_in_order(known_starts, known_ends, turns)
    longest: Monologue | None = None
    for first, after in zip(turns, [*turns[1:], len(starts)], strict=True):
        found = monologue(starts[first:after], ends[first:after], first)
        if found is not None and (longest is None or found.seconds > longest.seconds):
            longest = found
    return longest


def _longest_in_order(starts: Sequence[float], ends: Sequence[float], turns: Sequence[int]) -> Monologue:
    """The same for the usual call, whose times are all known and ends ascend: a stretch's latest end is its last."""
    first_starts = [starts[first] for first in turns]
    last_ends = [*(ends[after - 1] for after in turns[1:]), ends[-1]]
    lengths = list(map(sub, last_ends, first_starts))
    longest = max(max(lengths), 0.0)
    # Where every end precedes its start nothing is longer than 0 seconds and the first stretch stands for all.
    turn = lengths.index(longest) if longest > 0 else 0
    return Monologue(longest, first_starts[turn], turns[turn])


def measure(columns: Columns) -> SpokenMetrics:
    """All numbers of one call. A call in which no time is known has counts only."""
    turns = turn_starts(columns.keys)
    longest = longest_monologue(columns, turns)
    total = sum(columns.seconds)
    by_reps = sum(compress(columns.seconds, columns.is_rep))
    return SpokenMetrics(
        # Both sums run in the same order, yet rounding may still differ in the last digit.
        rep_talk_share=min(by_reps / total, 1.0) if total > 0 else None,
        # No utterance at all is truly no speech; utterances without times last nobody knows how long.
        speak_duration_s=total if longest is not None or not columns.keys else None,
        longest_monologue_s=longest.seconds if longest else None,
        longest_monologue_start_s=longest.start_s if longest else None,
        longest_monologue_person_id=columns.person_ids[longest.first] if longest else None,
        questions=sum(columns.questions),
        questions_by_reps=sum(compress(columns.questions, columns.is_rep)),
        turns=len(turns),
        speaker_switches=max(len(turns) - 1, 0),
    )
