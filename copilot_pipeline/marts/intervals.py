"""Shares with their intervals."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from scipy.stats import binomtest

LEVEL = 0.95


class Share(NamedTuple):
    """Some of `n`, with the 95 % interval of Wilson. All None where n is 0."""

    share: float | None
    low: float | None
    high: float | None


@lru_cache(maxsize=65_536)  # most groups are small, so the same few counts come back again and again
def share_of(some: int, n: int) -> Share:
    """The share that `some` are of `n`."""
    if n == 0:
        return Share(None, None, None)
    interval = binomtest(some, n).proportion_ci(confidence_level=LEVEL, method="wilson")
    return Share(some / n, float(interval.low), float(interval.high))


def percent(share: float) -> str:
    """A share as text: `68 %`."""
    return f"{share * 100:.0f} %"
