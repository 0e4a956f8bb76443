"""Claims per call hour: as counted, and shrunk to what the other groups have.

A rep with two calls and one claim would lead a table of rates. The shrunk rate is the mean of the posterior of an
empirical Bayes gamma-Poisson model (Clayton and Kaldor, "Empirical Bayes estimates of age-standardized relative risks
for use in disease mapping", Biometrics 43, 1987, 671-681): the rates of the groups are drawn from one gamma
distribution, which is fitted to their counts by maximum likelihood; the counts of a group are Poisson given its rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import gammaln

from copilot_pipeline.marts.intervals import CONFIDENCE_LEVEL

_PRIORS, _DRAWS = 50, 4_000
_MIN_GROUPS = 3  # with fewer, the spread between groups is not distinguishable from chance
_MIN_HOURS = 1 / 3600  # calls are timed in seconds; less is no time, and a rate over it no number
_LOG_SHAPES = (-5.0, 12.0)  # at the upper end the groups have one rate

Floats = NDArray[np.float64]


class Exposure(NamedTuple):
    """The claims of a group, and the hours of the calls that were checked."""

    claims: int
    hours: float


class Rate(NamedTuple):
    """Claims per hour. `per_hour` is the count; `shrunk` has an interval (95 %, of the posterior)."""

    per_hour: float | None
    shrunk: float | None
    low: float | None
    high: float | None


def rates(groups: Sequence[Exposure]) -> list[Rate]:
    """Return the rates of groups of one kind, such as all reps, in their order."""
    claims = np.array([group.claims for group in groups], dtype=float)
    hours = np.array([group.hours for group in groups], dtype=float)
    is_timed = hours >= _MIN_HOURS
    if not is_timed.any():
        return [Rate(None, None, None, None) for _ in groups]
    shape, rate = _prior(claims[is_timed], hours[is_timed])
    after_shape, after_rate = claims + shape, hours + rate
    low, high = _interval(claims, hours, _prior_draws(shape, rate, hours[is_timed]))
    return [
        Rate(
            per_hour=group.claims / group.hours if is_timed[index] else None,
            shrunk=float(after_shape[index] / after_rate[index]),
            low=float(low[index]),
            high=float(high[index]),
        )
        for index, group in enumerate(groups)
    ]


def _interval(claims: Floats, hours: Floats, priors: Floats) -> Floats:
    """Return the ends of the interval of each group's rate over draws of the prior (rows: shape, rate)."""
    shape, rate = priors
    random = np.random.default_rng(0)
    tail = (1 - CONFIDENCE_LEVEL) / 2
    ends = [
        np.quantile(random.gamma(of_group + shape) / (timed + rate), (tail, 1 - tail))
        for of_group, timed in zip(claims, hours, strict=True)
    ]
    return np.asarray(ends).T


def _prior_draws(shape: float, rate: float, hours: Floats) -> Floats:
    """Return draws of shape and rate: the prior itself is estimated, and with few groups not well.

    Groups are simulated by the fitted prior, and the prior is fitted to each simulation (parametric bootstrap: Laird
    and Louis, "Empirical Bayes confidence intervals based on bootstrap samples", Journal of the American Statistical
    Association 82, 1987, 739-750).
    """
    if len(hours) < _MIN_GROUPS:
        return np.repeat([[shape], [rate]], _DRAWS, axis=1)
    random = np.random.default_rng(0)
    drawn = random.poisson(random.gamma(shape, 1 / rate, size=(_PRIORS, len(hours))) * hours).astype(float)
    priors = [_prior(claims, hours) for claims in drawn]
    return np.repeat(np.asarray(priors).T, _DRAWS // _PRIORS, axis=1)


def _prior(claims: Floats, hours: Floats) -> tuple[float, float]:
    """Return shape and rate of the gamma distribution, with the rate of all groups together as its mean.

    Half a claim is added to the total, so that no claims at all do not prove a rate of zero. With fewer than three
    groups each counts for itself (Jeffreys' prior).
    """
    if len(claims) < _MIN_GROUPS:
        return 0.5, 1e-9
    mean = (claims.sum() + 0.5) / hours.sum()

    def negative_log_likelihood(log_shape: float) -> float:
        shape = np.exp(log_shape)
        rate = shape / mean
        terms = gammaln(claims + shape) - gammaln(shape) + shape * np.log(rate / (rate + hours))
        return -float(np.sum(terms + claims * np.log(hours / (rate + hours))))

    fitted = minimize_scalar(negative_log_likelihood, bounds=_LOG_SHAPES, method="bounded")
    shape = float(np.exp(fitted.x))
    return shape, shape / mean
