"""Times of utterances: which can be trusted, which order they give, and how long each utterance lasts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

# Thirty years in seconds. Beyond it a time is as much noise as infinity is, and sums of it would overflow.
_LIMIT_S = 1e9


def plausible(seconds: float | None) -> float | None:
    """The time in seconds; None where it is missing, NaN, infinite or beyond reason."""
    return seconds if seconds is not None and -_LIMIT_S < seconds < _LIMIT_S else None


def plausible_all(column: Iterable[float | None]) -> list[float | None]:
    """`plausible` of each; written out because it runs once per utterance."""
    limit = _LIMIT_S
    return [seconds if seconds is not None and -limit < seconds < limit else None for seconds in column]


def time_order(starts: Sequence[float | None]) -> list[int] | None:
    """The positions in order of start, stable; None where the order received is already right.

    An utterance without a start stays right after the one it was received after.
    """
    keys: list[float] = []
    last = float("-inf")
    for start in starts:
        if start is not None:
            last = start
        keys.append(last)
    if keys == sorted(keys):
        return None
    return sorted(range(len(keys)), key=keys.__getitem__)


def estimated_ends(
    starts: Sequence[float | None], ends: Sequence[float | None], duration_s: float | None
) -> Sequence[float | None]:
    """Ends in seconds, a missing one taken from the next start, after the last one from the call's length."""
    if None not in ends:
        return ends
    estimated: list[float | None] = []
    following = plausible(duration_s)
    for start, end in zip(reversed(starts), reversed(ends), strict=True):
        estimated.append(following if end is None else end)
        if start is not None:
            following = start
    estimated.reverse()
    return estimated


def spoken_seconds(starts: Iterable[float | None], ends: Iterable[float | None]) -> list[float]:
    """How long each utterance lasts, in seconds: 0 where a time is missing or the end comes before the start."""
    return [
        end - start if start is not None and end is not None and end > start else 0.0
        for start, end in zip(starts, ends, strict=True)
    ]
