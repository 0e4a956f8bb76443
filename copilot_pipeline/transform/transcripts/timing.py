"""Times of utterances: plausibility, order, and durations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

# Thirty years in seconds. A larger time is an error like infinity, and sums of it would overflow.
_LIMIT_S = 1e9


def plausible(seconds: float | None) -> float | None:
    """Return the time in seconds.

    None if it is missing, NaN, infinite or larger than 30 years.
    """
    return seconds if seconds is not None and -_LIMIT_S < seconds < _LIMIT_S else None


def plausible_all(times: Iterable[float | None]) -> list[float | None]:
    """Return `plausible` of each; inlined because it runs once per utterance."""
    limit = _LIMIT_S
    return [seconds if seconds is not None and -limit < seconds < limit else None for seconds in times]


def time_order(starts: Sequence[float | None]) -> list[int] | None:
    """Return the positions in order of start, stable.

    None if they are in order already.

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
    """Return the ends in seconds.

    A missing one is the next start, the last one the end of the call.
    """
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
    """Return the seconds of each utterance; 0 if unknown or negative."""
    return [
        end - start if start is not None and end is not None and end > start else 0.0
        for start, end in zip(starts, ends, strict=True)
    ]
