"""Claims per call hour: as counted, and shrunk to what the other groups have.

A rep with two calls and one claim would lead a table of rates. The shrunk rate is the mean of the posterior of a
gamma-Poisson model (Christiansen and Morris, "Hierarchical Poisson regression modeling", Journal of the American
Statistical Association 92, 1997, 618-632): the rates of the groups are drawn from one gamma distribution, and the
counts of a group are Poisson given its rate. Mean and spread of the gamma distribution are uncertain, too: they have a
posterior over all groups. A single best estimate would often be a spread of zero, and intervals too narrow.

Claims come together: one call has three, and the next ones none. A group with six claims on two calls was not seen as
often as one with six on six. Claims and hours are therefore divided by the design effect, the ratio of the variance of
the claims between calls to that of independent claims (Rao and Scott, "A simple method for analysing overdispersion in
clustered Poisson data", Statistics in Medicine 18, 1999, 1373-1385). It is that of all groups together, because a group
with few calls does not show its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from copilot_pipeline.marts.intervals import CONFIDENCE_LEVEL

_DRAWS = 4_000
_SHRINKAGES, _MEANS = 40, 25  # of the grid of priors
_REACH = 3.0  # standard errors of the mean on both sides
_MIN_GROUPS = 3  # with fewer, the spread between groups is not distinguishable from chance
_MIN_HOURS = 1 / 3600  # calls are timed in seconds; less is no time, and a rate over it no number

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(slots=True)
class Exposure:
    """The claims of a group, the hours of the calls that were checked, and sums over these calls."""

    claims: int = 0
    hours: float = 0.0
    calls: int = 0
    squared_claims: int = 0
    claims_times_hours: float = 0.0
    squared_hours: float = 0.0

    def add_call(self, claims: int, hours: float) -> None:
        """Count one more call."""
        self.claims += claims
        self.hours += hours
        self.calls += 1
        self.squared_claims += claims * claims
        self.claims_times_hours += claims * hours
        self.squared_hours += hours * hours


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
    effect = design_effect(groups)
    claims, hours = claims / effect, hours / effect
    priors = _priors(claims[is_timed], hours[is_timed])
    chosen = np.random.default_rng(0).choice(len(priors.weight), _DRAWS, p=priors.weight)
    low, high = _interval(claims, hours, priors, chosen)
    return [
        Rate(
            per_hour=group.claims / group.hours if is_timed[index] else None,
            shrunk=float(((claims[index] + priors.shape) / (hours[index] + priors.rate)) @ priors.weight),
            low=float(low[index]),
            high=float(high[index]),
        )
        for index, group in enumerate(groups)
    ]


def design_effect(groups: Sequence[Exposure]) -> float:
    """Return the variance of the claims of a group's calls, over that of independent claims; at least 1."""
    seen = [group for group in groups if group.calls > 1 and group.hours >= _MIN_HOURS]
    claims = sum(group.claims for group in seen)
    return max(1.0, sum(map(_squared_deviations, seen)) / claims) if claims else 1.0


def _squared_deviations(group: Exposure) -> float:
    """Return the sum, over the calls, of the squared difference to the claims expected at the rate of the group."""
    rate = group.claims / group.hours
    squares = group.squared_claims - 2 * rate * group.claims_times_hours + rate**2 * group.squared_hours
    return squares * group.calls / (group.calls - 1)


def _interval(claims: Floats, hours: Floats, priors: _Priors, chosen: Ints) -> Floats:
    """Return the ends of the interval of each group's rate over draws of the prior."""
    shape, rate = priors.shape[chosen], priors.rate[chosen]
    random = np.random.default_rng(0)
    tail = (1 - CONFIDENCE_LEVEL) / 2
    ends = [
        np.quantile(random.gamma(of_group + shape) / (timed + rate), (tail, 1 - tail))
        for of_group, timed in zip(claims, hours, strict=True)
    ]
    return np.asarray(ends).T


class _Priors(NamedTuple):
    """Gamma distributions that the rates of the groups may be drawn from, and their probabilities."""

    shape: Floats
    rate: Floats
    weight: Floats


def _priors(claims: Floats, hours: Floats) -> _Priors:
    """Return the posterior of the distribution of the rates, on a grid of its mean and its spread.

    The prior is uniform on the shrinkage of the group with the median of hours, and that of Jeffreys on the mean. With
    fewer than three groups each counts for itself (Jeffreys' prior).
    """
    if len(claims) < _MIN_GROUPS:
        return _Priors(np.array([0.5]), np.array([1e-9]), np.ones(1))
    shrinkage = (np.arange(_SHRINKAGES) + 0.5) / _SHRINKAGES
    rate = float(np.median(hours)) * shrinkage / (1 - shrinkage)
    centre = np.log((claims.sum() + 0.5) / hours.sum())
    reach = _REACH * np.sqrt(1 / (claims.sum() + 0.5) + 1 / len(claims))
    mean = np.exp(centre + reach * np.linspace(-1, 1, _MEANS))
    shape = mean[:, None] * rate
    log_weight = np.log(mean)[:, None] / 2
    for of_group, timed in zip(claims, hours, strict=True):
        log_weight = log_weight + gammaln(of_group + shape) - gammaln(shape) + shape * np.log(rate / (rate + timed))
        log_weight = log_weight + of_group * np.log(timed / (rate + timed))
    weight = np.exp(log_weight - log_weight.max())
    return _Priors(shape.ravel(), np.broadcast_to(rate, shape.shape).ravel(), (weight / weight.sum()).ravel())
