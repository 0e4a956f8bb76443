"""Drops of a level: whether the newest values of a series are lower than the series' own earlier values.

A nonparametric change-point chart (Hawkins and Deng, "A nonparametric change-point control chart", Journal of Quality
Technology 42, 2010, 165-173): after each value, the newest 3, 4, 5, … 17 values are compared with those before them by
the Mann-Whitney statistic, one-sided, with its exact distribution (Mann and Whitney, Annals of Mathematical Statistics
18, 1947, 50-60). Ranks need no assumption about the distribution of the values. Tied values count half, which makes the
test conservative.

If neighbouring values resemble one another, means of a few of them vary more than means of independent values, by the
factor (1 + r) / (1 - r) for the autocorrelation r (Bayley and Hammersley, Supplement to the Journal of the Royal
Statistical Society 8, 1946, 184-197). The p-value at which the chart signals is lowered accordingly. The
autocorrelation is that of the values before the largest window, because a drop within it would resemble one.

The chart is looked at after every value and for every window, so the p-value at which it signals is far below the rate
of false signals that results; `docs/marts.md` has the rates that were simulated.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

WINDOWS = (3, 4, 5, 6, 8, 10, 13, 17)  # newest values that are compared
MIN_EARLIER, MAX_EARLIER = 8, 100  # values before them
_STEP = 0.05  # to which autocorrelations are rounded
_MAX_AUTOCORRELATION = 0.8
_MIN_ERRORS = 1.5  # standard errors below which an autocorrelation counts as chance

Floats = NDArray[np.float64]


class Signal(NamedTuple):
    """A position at which the newest `window` values are lower than the `earlier` ones before them."""

    position: int
    window: int
    earlier: int
    p_value: float


def first_signal(values: Floats, allowed: NDArray[np.bool_], max_p_value: float) -> Signal | None:
    """Return the first allowed position whose newest values are lower, with its most significant window."""
    if not allowed[min(WINDOWS) + MIN_EARLIER - 1 :].any():
        return None
    beaten = _beaten_before(values)
    limits = _limits(values, max_p_value)
    statistics = {window: _pairs_won(beaten, window) for window in WINDOWS if len(values) >= window + MIN_EARLIER}
    positions = [_first(won, window, allowed, limits) for window, won in statistics.items()]
    known = [position for position in positions if position is not None]
    if not known:
        return None
    position = min(known)
    candidates = [
        Signal(position, window, earlier, _p_value(won[position], window, earlier))
        for window, won in statistics.items()
        if (earlier := min(position + 1 - window, MAX_EARLIER)) >= MIN_EARLIER
    ]
    return min(candidates, key=lambda signal: (signal.p_value, signal.window))


def _first(won: Floats, window: int, allowed: NDArray[np.bool_], limits: Floats) -> int | None:
    """Return the first allowed position with a significant statistic."""
    for position in np.flatnonzero(allowed & np.isfinite(won)).tolist():
        earlier = min(position + 1 - window, MAX_EARLIER)
        if won[position] <= _critical(window, earlier, float(limits[position])):
            return int(position)
    return None


def _pairs_won(beaten: Floats, window: int) -> Floats:
    """Return, for each position, the pairs of a newest and an earlier value in which the newest is higher; ties half.

    Infinite where there are too few earlier values.
    """
    won = np.zeros(len(beaten))
    for back in range(window):  # the value `back` positions before the newest one
        skipped = window - 1 - back  # values of the window between it and the earlier ones
        of_value = beaten[:, skipped + MAX_EARLIER] - beaten[:, skipped]
        won[back:] += of_value[: len(beaten) - back]
    won[: window + MIN_EARLIER - 1] = np.inf
    return won


def _beaten_before(values: Floats) -> Floats:
    """Return (n, lags + 1): how many of the values 1 to `lag` positions earlier each value beats; ties count half."""
    lags = MAX_EARLIER + max(WINDOWS)
    padded = np.concatenate([np.full(lags, np.nan), values])
    before = np.lib.stride_tricks.sliding_window_view(padded, lags + 1)[:, ::-1]
    newest = values[:, np.newaxis]
    beats = (before < newest) + 0.5 * (before == newest)
    beats[:, 0] = 0.0
    beaten: Floats = np.cumsum(beats, axis=1)
    return beaten


def _limits(values: Floats, max_p_value: float) -> Floats:
    """Return the p-value at which the chart signals at each position, lowered for the autocorrelation before it."""
    from scipy.special import ndtr, ndtri

    known = np.clip(np.arange(len(values)) + 1 - max(WINDOWS), 0, None)  # values before the largest window
    level = np.divide(_sums(values)[known], known, out=np.zeros(len(values)), where=known > 0)
    squares = _sums(values**2)[known] - known * level**2
    neighbours = np.maximum(known - 1, 0)
    # The sum of (x - level) * (y - level) over neighbours x and y.
    first, last = values[0] if len(values) else 0.0, values[np.maximum(known - 1, 0)]
    products = _sums(values[:-1] * values[1:])[neighbours]
    products = products - level * (2 * _sums(values)[known] - first - last) + neighbours * level**2
    is_measured = (known >= MIN_EARLIER) & (squares > 1e-9)
    found = np.divide(products, squares, out=np.zeros(len(values)), where=is_measured)
    n = np.maximum(known, 1)
    found = np.where(found > _MIN_ERRORS / np.sqrt(n), found + (1 + 4 * found) / n, 0.0)  # its bias (Kendall 1954)
    rounded = np.clip(np.ceil(found / _STEP) * _STEP, 0.0, _MAX_AUTOCORRELATION)
    limits: Floats = ndtr(ndtri(max_p_value) * np.sqrt((1 + rounded) / (1 - rounded)))
    return limits


def _sums(values: Floats) -> Floats:
    return np.concatenate([[0.0], np.cumsum(values)])


@lru_cache(maxsize=16_384)
def _critical(window: int, earlier: int, max_p_value: float) -> float:
    """Return the highest significant statistic; -1 if even 0 is not significant."""
    return float(np.searchsorted(_distribution(window, earlier), max_p_value, side="right") - 1)


def _p_value(won: float, window: int, earlier: int) -> float:
    return float(_distribution(window, earlier)[int(np.ceil(won))])


@lru_cache(maxsize=2048)
def _distribution(window: int, earlier: int) -> Floats:
    """Return P(U <= u) for u = 0, 1, … of the Mann-Whitney statistic without ties.

    The number of orders for each u are the coefficients of the Gaussian binomial coefficient. Integers, because the
    divisions are exact.
    """
    size = window * earlier + 1
    counts = [1] + [0] * (size - 1)
    for factor in range(1, window + 1):
        for power in range(size - 1, earlier + factor - 1, -1):  # times 1 - q^(earlier + factor)
            counts[power] -= counts[power - earlier - factor]
        for power in range(factor, size):  # divided by 1 - q^factor
            counts[power] += counts[power - factor]
    total = comb(window + earlier, window)
    return np.cumsum(np.array([count / total for count in counts]))


def chance_of_run(below: Sequence[int], earlier: Sequence[int], lengths: Sequence[int]) -> list[float | None]:
    """Return the chance that the next `lengths` values are all below a threshold, at the level of the earlier values.

    `below` of `earlier` values were below it. The chance is the beta-binomial prediction with Jeffreys' prior (Gelman
    et al., "Bayesian Data Analysis", 3rd edition, section 2.4), so that few earlier values do not count as certainty.
    None without earlier values.
    """
    from scipy.special import betaln

    weak = np.asarray(below, dtype=float) + 0.5
    strong = np.asarray(earlier, dtype=float) - np.asarray(below, dtype=float) + 0.5
    chances = np.exp(betaln(weak + np.asarray(lengths, dtype=float), strong) - betaln(weak, strong))
    return [float(chance) if count else None for chance, count in zip(chances, earlier, strict=True)]
