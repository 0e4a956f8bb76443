"""Fisher's exact test of many tables at once: scipy's takes one at a time, and a search asks 50,000 times."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

Counts = NDArray[np.int64]
# As likely as what was seen, but for rounding; the same slack as scipy's own test takes.
_SLACK = 1e-7


def fisher_two_sided(n: Counts, won: Counts, support: Counts, won_of_support: Counts) -> NDArray[np.float64]:
    """Two-sided p-values: of `n` deals `won` were won; of the `support` deals picked from them `won_of_support`.

    The probability of every outcome that is no likelier than the one seen, as `scipy.stats.fisher_exact` defines it.
    """
    likelihood = np.asarray(hypergeom.logpmf(won_of_support, n, won, support))
    mode = (support + 1) * (won + 1) // (n + 2)
    lowest = np.maximum(0, support + won - n)
    highest = np.minimum(support, won)
    # The distribution has one peak: on either side of it the unlikely outcomes are a tail, found by halving.
    left = _last_unlikely(lowest - 1, mode, 1, likelihood, (n, won, support))
    right = _last_unlikely(highest + 1, mode, -1, likelihood, (n, won, support))
    below = hypergeom.cdf(left, n, won, support)
    above = hypergeom.sf(right - 1, n, won, support)
    p_values: NDArray[np.float64] = np.minimum(1.0, np.where(left >= right, 1.0, below + above))
    return p_values


def _last_unlikely(
    outside: Counts, mode: Counts, step: int, likelihood: NDArray[np.float64], shape: tuple[Counts, Counts, Counts]
) -> Counts:
    """From outside towards the peak: the last outcome that is no likelier than the one seen (`outside` if none is)."""
    unlikely, unknown = outside.copy(), (mode - outside) * step
    while np.any(unknown > 0):
        tried = unlikely + step * ((unknown + 1) // 2)
        is_unlikely = hypergeom.logpmf(tried, *shape) <= likelihood + _SLACK
        is_moving = unknown > 0
        advanced = is_moving & is_unlikely
        unknown = np.where(advanced, unknown - (unknown + 1) // 2, np.where(is_moving, (unknown + 1) // 2 - 1, 0))
        unlikely = np.where(advanced, tried, unlikely)
    return unlikely
