"""Means and slopes of the last few scores in call order."""

from __future__ import annotations

from collections.abc import Sequence

# scipy's regression also tests its slope and takes 0.3 ms; this is computed for every brick of every open deal.
from statistics import linear_regression

import numpy as np
from numpy.typing import NDArray

MIN_SCORES = 3

Floats = NDArray[np.float64]


def slope(scores: Sequence[float]) -> float | None:
    """Return the least-squares slope in score per call, or None for fewer than three scores."""
    if len(scores) < MIN_SCORES:
        return None
    return linear_regression(range(len(scores)), scores).slope


def moving_mean(scores: Floats, calls: int) -> Floats:
    """Return the mean of the last `calls` scores at each position; of all of them at the first positions."""
    means = np.array([scores[: position + 1].mean() for position in range(min(calls - 1, len(scores)))])
    if len(scores) < calls:
        return means
    return np.concatenate([means, np.lib.stride_tricks.sliding_window_view(scores, calls).mean(axis=1)])


def moving_slope(scores: Floats, calls: int) -> Floats:
    """Return the least-squares slope of the last `calls` scores at each position; NaN for fewer than three scores."""
    slopes = np.full(len(scores), np.nan)
    for position in range(MIN_SCORES - 1, min(calls - 1, len(scores))):
        slopes[position] = slope(scores[: position + 1].tolist())
    if len(scores) >= max(calls, MIN_SCORES):
        times = np.arange(calls) - (calls - 1) / 2
        slopes[calls - 1 :] = np.lib.stride_tricks.sliding_window_view(scores, calls) @ times / (times @ times)
    return slopes
