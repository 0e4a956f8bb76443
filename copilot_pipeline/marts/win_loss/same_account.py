"""Conditions that are true of some accounts and not of others, or of some reps in some segments.

Deals of one account have in common what no table holds, and it may decide both what is said and how they end. If most
deals share an account, a condition that goes with the account must therefore hold within accounts: its mean over the
deals of the account is a covariate (Mundlak, Econometrica 46, 1978, 69-85). Deals that are alone in their account say
nothing then.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import f as fisher

from copilot_pipeline.marts.win_loss.conditions import Mask
from copilot_pipeline.marts.win_loss.deals import Indexes
from copilot_pipeline.marts.win_loss.saddlepoint import Floats

_MIN_SHARED = 0.5  # of the deals
_LEVEL = 0.1


def goes_with_account(holds: Mask, known: Mask, accounts: Indexes) -> bool:
    """Return whether most deals share an account, and a condition differs more between accounts than within them.

    By the F-test of a one-way analysis of variance.
    """
    _, at = np.unique(accounts[known], return_inverse=True)
    sizes = np.bincount(at)
    if not len(at) or (sizes[at] > 1).mean() < _MIN_SHARED:
        return False
    values = holds[known].astype(np.float64)
    means = np.bincount(at, values) / sizes
    between, within = float(sizes @ (means - values.mean()) ** 2), float(((values - means[at]) ** 2).sum())
    of_accounts, of_deals = len(sizes) - 1, len(values) - len(sizes)
    if not of_accounts or within <= 0:
        return bool(of_accounts)
    return float(fisher.sf(between / of_accounts / (within / of_deals), of_accounts, of_deals)) <= _LEVEL


def mean_of_account(holds: Mask, known: Mask, accounts: Indexes) -> Floats:
    """Return, for each deal, the share of the deals of its account for which a condition holds."""
    deals = np.bincount(accounts, known)
    means: Floats = (np.bincount(accounts, holds & known) / np.maximum(1, deals))[accounts]
    return means
