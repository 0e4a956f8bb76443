"""Fisher's exact test of many 2 x 2 tables in one call.

`scipy.stats.fisher_exact` takes one table per call; a search tests tens of thousands.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

Counts = NDArray[np.int64]
# Relative tolerance for "as likely as the observed table", as in scipy's own test.
_TOLERANCE = 1e-7


def fisher_two_sided(n: Counts, won: Counts, support: Counts, won_of_support: Counts) -> NDArray[np.float64]:
    """Return two-sided p-values: `won` of `n` deals were won, and `won_of_support` of the `support` chosen from them.

    A p-value is the probability of all tables that are no more likely than the observed one, as in
    `scipy.stats.fisher_exact`.
    """
    likelihood = np.asarray(hypergeom.logpmf(won_of_support, n, won, support))
    mode = (support + 1) * (won + 1) // (n + 2)
    lowest = np.maximum(0, support + won - n)
    highest = np.minimum(support, won)
    # The distribution has one mode, so the unlikely tables are a tail on either side, found by bisection.
    left = _last_unlikely(lowest - 1, mode, 1, likelihood, (n, won, support))
    right = _last_unlikely(highest + 1, mode, -1, likelihood, (n, won, support))
    below = hypergeom.cdf(left, n, won, support)
    above = hypergeom.sf(right - 1, n, won, support)
    p_values: NDArray[np.float64] = np.minimum(1.0, np.where(left >= right, 1.0, below + above))
    return p_values


def _last_unlikely(
    outside: Counts, mode: Counts, step: int, likelihood: NDArray[np.float64], shape: tuple[Counts, Counts, Counts]
) -> Counts:
    """Return the table nearest to the mode that is no more likely than the observed one; `outside` if there is none."""
    unlikely, unknown = outside.copy(), (mode - outside) * step
    while np.any(unknown > 0):
        tried = unlikely + step * ((unknown + 1) // 2)
        is_unlikely = hypergeom.logpmf(tried, *shape) <= likelihood + _TOLERANCE
        is_moving = unknown > 0
        advanced = is_moving & is_unlikely
        unknown = np.where(advanced, unknown - (unknown + 1) // 2, np.where(is_moving, (unknown + 1) // 2 - 1, 0))
        unlikely = np.where(advanced, tried, unlikely)
    return unlikely
