"""The slope of a few scores in call order."""

from __future__ import annotations

from collections.abc import Sequence

# scipy's regression also tests its slope and takes 0.3 ms; this is computed for every call of every rep.
from statistics import linear_regression

MIN_SCORES = 3


def slope(scores: Sequence[float]) -> float | None:
    """Return the least-squares slope in score per call, or None for fewer than three scores."""
    if len(scores) < MIN_SCORES:
        return None
    return linear_regression(range(len(scores)), scores).slope
