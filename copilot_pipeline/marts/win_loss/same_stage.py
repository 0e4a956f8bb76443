"""Conditions that repeat the stage of the CRM.

What is said decides which stage a deal reaches, so the stage is no circumstance by default. But a brick that says which
stage a deal is in goes with the outcome because the stage does. A condition that acts on the outcome alone goes with
the stage only as far as the outcome does. One that goes with the stage among deals of the same outcome, too, must
therefore hold among deals that reached the same stage.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy.stats import chi2_contingency, combine_pvalues

from copilot_pipeline.marts.win_loss.conditions import Mask
from copilot_pipeline.marts.win_loss.deals import Deals, Indexes
from copilot_pipeline.marts.win_loss.saddlepoint import Floats
from copilot_pipeline.marts.win_loss.score_test import ScoreTest, fitted_chances

_LEVEL = 0.01
_MIN_DEALS_PER_STAGE = 4


class SameStage:
    """Compares deals that reached the same stage. Stages that few deals reached are one group."""

    def __init__(self, deals: Deals, stages: Indexes) -> None:
        self._deals = deals
        frequent = np.bincount(stages) >= _MIN_DEALS_PER_STAGE
        self._stages = np.where(frequent[stages], stages, len(frequent))

    def is_repeated(self, holds: Mask, known: Mask) -> bool:
        """Return whether a condition goes with the stage among the won deals, or among the lost ones."""
        p_values = []
        for outcome in (self._deals.won, ~self._deals.won):
            _, at = np.unique(self._stages[known & outcome], return_inverse=True)
            of_outcome = holds[known & outcome]
            if len(np.unique(at)) > 1 < len(np.unique(of_outcome)):
                table = np.array([np.bincount(at, of_outcome == value) for value in (False, True)])
                p_values.append(float(chi2_contingency(table).pvalue))
        return bool(p_values) and float(combine_pvalues(np.maximum(p_values, 1e-300)).pvalue) <= _LEVEL

    def test_on(self, newer: Mask) -> ScoreTest:
        """Return the test among the newer deals, adjusted for the stage as well."""
        return ScoreTest(self._deals.won, self._covariates, self._chances, newer, self._deals.accounts)

    @cached_property
    def _covariates(self) -> Floats:
        columns = [(self._stages == stage).astype(np.float64) for stage in np.unique(self._stages)[1:]]
        standard = [(column - column.mean()) / column.std() for column in columns]
        return np.column_stack([self._deals.covariates, *standard])

    @cached_property
    def _chances(self) -> Floats:
        return fitted_chances(self._deals.won, self._covariates)
