"""Shares with their confidence intervals."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from scipy.stats import binomtest

CONFIDENCE_LEVEL = 0.95


class Share(NamedTuple):
    """A share with its 95 % Wilson score interval. All None if `n` is 0."""

    share: float | None
    low: float | None
    high: float | None


@lru_cache(maxsize=65_536)  # most groups are small, so the same counts recur
def share_of(count: int, n: int) -> Share:
    """Return the share `count / n` with its interval."""
    if n == 0:
        return Share(None, None, None)
    interval = binomtest(count, n).proportion_ci(confidence_level=CONFIDENCE_LEVEL, method="wilson")
    return Share(count / n, float(interval.low), float(interval.high))


def percent(share: float) -> str:
    """Format a share: `68 %`."""
    return f"{share * 100:.0f} %"
