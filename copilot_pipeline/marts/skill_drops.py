"""Regressions of a skill: calls below the threshold that are also lower than the rep's own earlier calls."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from copilot_pipeline.config.marts import CoachingSettings
from copilot_pipeline.marts.level_drops import Floats, first_signal


class Drop(NamedTuple):
    """A regression in a series of scores, by position."""

    first: int
    detected: int
    recovered: int | None
    earlier_calls: int
    earlier_mean: float
    p_value: float


def drops_of(
    scores: Floats, runs: Sequence[int], versions: Sequence[Hashable], threshold: float, settings: CoachingSettings
) -> Iterator[Drop]:
    """Yield the regressions of a series, oldest first. `runs` are the consecutive calls below the threshold.

    A regression is detected on a call that completes both: `consecutive_calls` below the threshold, and a drop against
    the earlier calls. It begins with the first of these calls that belongs to the drop, and ends with the next call at
    the threshold, or at the median of the earlier calls where that is lower. Its calls are no reference for later ones.
    Calls are compared with those of the same version of the kit only: another version may score lower.
    """
    allowed = np.array(runs) >= settings.consecutive_calls
    numbers = {version: number for number, version in enumerate(dict.fromkeys(versions))}
    version_of = np.array([numbers[version] for version in versions])
    is_kept = np.ones(len(scores), dtype=np.bool_)
    while True:
        series = [np.flatnonzero(is_kept & (version_of == number)) for number in numbers.values()]
        found = [(kept, first_signal(scores[kept], allowed[kept], settings.max_drop_p_value)) for kept in series]
        signals = [(kept, signal) for kept, signal in found if signal is not None]
        if not signals:
            return
        kept, signal = min(signals, key=lambda one: int(one[0][one[1].position]))
        detected = int(kept[signal.position])
        earlier = scores[kept[: signal.position + 1 - signal.window][-signal.earlier :]]
        first = max(detected + 1 - runs[detected], int(kept[signal.position + 1 - signal.window]))
        recovered = _recovery(scores, detected, min(threshold, float(np.median(earlier))))
        yield Drop(first, detected, recovered, len(earlier), float(earlier.mean()), signal.p_value)
        if recovered is None:
            return
        is_kept[first:recovered] = False
        allowed[:recovered] = False


def _recovery(scores: Floats, detected: int, level: float) -> int | None:
    above = np.flatnonzero(scores[detected + 1 :] >= level)
    return detected + 1 + int(above[0]) if len(above) else None
