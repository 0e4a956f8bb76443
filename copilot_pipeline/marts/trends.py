"""The slope of a few scores in call order."""

from __future__ import annotations

from collections.abc import Sequence

# scipy's regression tests its slope too and takes a third of a millisecond; it is asked for at every call of every rep.
from statistics import linear_regression

FEWEST = 3


def slope(scores: Sequence[float]) -> float | None:
    """By least squares, score a call; None of fewer than three."""
    if len(scores) < FEWEST:
        return None
    return linear_regression(range(len(scores)), scores).slope
