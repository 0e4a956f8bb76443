"""Tail probabilities of weighted sums of won deals, by saddlepoint approximation.

A normal approximation of such a sum is wrong by orders of magnitude in the tails if a condition is rare: of ten deals
with a chance of 0.1 each, five or more are won with probability 2e-3, not 1e-5.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import norm

Floats = NDArray[np.float64]

_MAX_ITERATIONS = 60
_TOLERANCE = 1e-4  # of the standard deviation
_MAX_EXPONENT = 40.0


def two_sided(weights: Floats, chances: Floats, deviation: Floats, variance: Floats, normal_up_to: float) -> Floats:
    """Return twice P(S - E[S] >= |deviation|), in the direction of the deviation, one element per row of weights.

    S is the sum of the weights of the won deals, `chances` are the deals' independent chances to be won, `variance` is
    that of S. Up to `normal_up_to` standard deviations the approximation is normal. Lugannani and Rice's formula, as
    used for score tests by Dey, Schmidt, Abecasis and Lee (2017), https://doi.org/10.1016/j.ajhg.2017.05.014.
    """
    scale = np.sqrt(variance)
    standard = np.divide(np.abs(deviation), scale, out=np.zeros(len(weights)), where=scale > 0)
    p_values: Floats = 2.0 * ndtr(-standard)
    rare = np.flatnonzero(standard > normal_up_to)
    if len(rare):
        towards = weights[rare] * np.where(deviation[rare] < 0, -1.0, 1.0)[:, None]
        p_values[rare] = np.minimum(1.0, 2.0 * _upper(towards, chances, np.abs(deviation[rare]), scale[rare]))
    return p_values


def _upper(weights: Floats, chances: Floats, at: Floats, scale: Floats) -> Floats:
    """Return P(S - E[S] >= at) for positive `at`."""
    highest = np.maximum(weights, 0.0).sum(axis=1) - weights @ chances
    possible = np.flatnonzero(at < highest * (1 - 1e-9))
    found = np.zeros(len(weights))
    if not len(possible):
        return found
    weights, at, scale = weights[possible], at[possible], scale[possible]
    tilt = _solve(weights, chances, at, scale)
    log_moment, _, curvature = _cumulants(tilt, weights, chances)
    signed_root = np.sqrt(np.maximum(2.0 * (tilt * at - log_moment), 1e-12))
    ratio = np.maximum(tilt * np.sqrt(curvature), 1e-12) / signed_root
    found[possible] = norm.sf(signed_root + np.log(ratio) / signed_root)
    return found


def _solve(weights: Floats, chances: Floats, at: Floats, scale: Floats) -> Floats:
    """Return the tilt at which the expected sum is `at`: Newton's method, else bisection."""
    tilt = at / scale**2
    low, high = np.zeros(len(at)), np.full(len(at), np.inf)
    active = np.arange(len(at))
    for _ in range(_MAX_ITERATIONS):
        _, slope, curvature = _cumulants(tilt[active], weights[active], chances)
        error = slope - at[active]
        low[active] = np.where(error < 0, tilt[active], low[active])
        high[active] = np.where(error > 0, tilt[active], high[active])
        is_open = np.abs(error) > _TOLERANCE * scale[active]
        active, error, curvature = active[is_open], error[is_open], curvature[is_open]
        if not len(active):
            break
        step = tilt[active] - np.divide(error, curvature, out=np.full(len(active), np.inf), where=curvature > 1e-12)
        middle = np.where(np.isinf(high[active]), 2.0 * tilt[active], (low[active] + high[active]) / 2)
        inside = (step > low[active]) & (step < high[active]) & (step < 4.0 * tilt[active])
        tilt[active] = np.where(inside, step, middle)
    return tilt


def _cumulants(tilt: Floats, weights: Floats, chances: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the cumulant generating function of the centred sum at `tilt`, and its two derivatives."""
    exponent = np.clip(tilt[:, None] * weights, -_MAX_EXPONENT, _MAX_EXPONENT)
    grown = chances * np.exp(exponent)
    total = 1.0 - chances + grown
    tilted = grown / total
    mean = weights @ chances
    log_moment = np.log(total).sum(axis=1) - tilt * mean
    slope = (weights * tilted).sum(axis=1) - mean
    curvature = (weights**2 * tilted * (1.0 - tilted)).sum(axis=1)
    return log_moment, slope, curvature
