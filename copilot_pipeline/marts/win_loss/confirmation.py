"""Confirmation of what the older deals suggest on the newer deals, which the search has not seen.

The number of won deals that meet a condition is compared with the number expected of comparable deals. `lift` is the
ratio of the two, as in indirect standardisation (Breslow and Day 1987, chapter 2). Its interval takes the uncertainty
of the win rate, the base rate and the adjustment into account.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logit
from scipy.stats import combine_pvalues

from copilot_pipeline.marts.intervals import CONFIDENCE_LEVEL
from copilot_pipeline.marts.win_loss.conditions import Mask
from copilot_pipeline.marts.win_loss.deals import Conjunction, Deals, all_of
from copilot_pipeline.marts.win_loss.found import Found
from copilot_pipeline.marts.win_loss.saddlepoint import Floats
from copilot_pipeline.marts.win_loss.same_account import goes_with_account, mean_of_account
from copilot_pipeline.marts.win_loss.same_stage import SameStage
from copilot_pipeline.marts.win_loss.score_test import ScoreTest, Tested, fitted_chances, predicted_chances

_DRAWS = 2_000
_MIN_SUPPORT = 4  # fewer deals confirm nothing
_NOTABLE = 0.05


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A conjunction on the newer deals."""

    n: int  # deals in which all of its bricks have a known answer
    support: int  # of these, deals for which it holds
    won: int  # of these, won deals
    expected: float | None  # of these, won deals expected by what is adjusted for
    lift: float | None  # won / expected
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """The chance of each deal to be won by its covariates alone, which contain no condition that was selected."""

    fitted: Floats
    predicted: Floats  # from other deals
    same_stage: SameStage | None  # None if no stage is recorded, or all is adjusted for it

    @classmethod
    def of(cls, deals: Deals) -> Model:
        """Fit the model to all deals."""
        return cls(
            fitted_chances(deals.won, deals.covariates),
            predicted_chances(deals.won, deals.covariates),
            None if deals.stages is None else SameStage(deals, deals.stages),
        )


class Confirmer:
    """Tests conjunctions on the newer deals."""

    def __init__(self, deals: Deals, is_newer: Mask, model: Model) -> None:
        self._deals = deals
        self._is_newer = is_newer
        self._test = ScoreTest(deals.won, deals.covariates, model.fitted, is_newer, deals.accounts)
        # The deals for which a part holds are few: adjust for the chance to win instead of each covariate.
        prognosis = np.column_stack([np.ones(len(deals.won)), logit(model.fitted)])
        self._test_of_parts = ScoreTest(deals.won, prognosis, model.fitted, is_newer, deals.accounts)
        self._predicted = model.predicted
        self._same_stage = model.same_stage
        self._repeats_stage: set[Conjunction] = set()
        self._random = np.random.default_rng(0)

    def p_value(self, found: Found) -> float:
        """Return the one-sided p-value, in the direction of the older deals; 1 in the other one.

        What goes with the account, or with rep and segment, must hold within them as well, and what repeats the stage
        among deals of the same stage: the larger p-value counts.
        """
        deals, indexes = self._deals, np.array([found.counts.conjunction])
        known, holds = all_of(deals.known, indexes), all_of(deals.holds, indexes)
        if (holds[0] & self._is_newer).sum() < _MIN_SUPPORT:
            return 1.0
        exposure = deals.exposure_of(indexes)
        p_value = _one_sided(self._test.test(holds, known, exposure), found)
        for groups in (deals.accounts, deals.cells):
            if groups is not None and p_value <= _NOTABLE and goes_with_account(holds[0], known[0], groups):
                means = mean_of_account(holds[0], known[0], groups)
                p_value = max(p_value, _one_sided(self._test.test(holds, known, means[np.newaxis]), found))
        if self._same_stage is None or p_value > _NOTABLE or not self._same_stage.is_repeated(holds[0], known[0]):
            return p_value
        at_stage = _one_sided(self._same_stage.test_on(self._is_newer).test(holds, known, exposure), found)
        if at_stage > _NOTABLE:
            self._repeats_stage.add(found.counts.conjunction)
        return max(p_value, at_stage)

    def repeats_stage(self, conjunction: Conjunction) -> bool:
        """Return whether a tested conjunction goes with the outcome, but not among deals of the same stage."""
        return conjunction in self._repeats_stage

    def refinement(self, found: Found) -> float:
        """Return the p-value against the best part, by older and newer deals together (Fisher's combination)."""
        deals, indexes = self._deals, np.array([found.counts.conjunction])
        known, holds = all_of(deals.known, indexes), all_of(deals.holds, indexes)
        largest = 0.0
        for omitted, of_older in enumerate(found.refinement.corrected):
            part = deals.part(indexes, omitted) & known
            refined = self._test_of_parts.test(holds, part, deals.exposure[indexes[:, omitted]])
            if bool(refined.deviation[0] > 0) is not found.counts.is_above:
                return 1.0
            of_newer = float(refined.p_value[0]) / 2  # the direction is that of the older deals
            largest = max(largest, float(combine_pvalues([max(of_older, 1e-300), of_newer]).pvalue))
        return largest

    def estimate(self, conjunction: Conjunction) -> Confirmation:
        """Return the counts and the lift of a conjunction."""
        deals, indexes = self._deals, np.array([conjunction])
        known, holds = all_of(deals.known, indexes)[0], all_of(deals.holds, indexes)[0]
        known, holds = known & self._is_newer, holds & self._is_newer
        n, support = int(known.sum()), int(holds.sum())
        won, won_of_n = int((holds & deals.won).sum()), int((known & deals.won).sum())
        if not support or not won_of_n:
            return Confirmation(n, support, won, None, None, None, None)
        # Of the deals for which it holds, the share that is expected, in units of the base rate.
        of_holds, of_known = self._predicted[holds], self._predicted[known]
        comparable = of_holds.mean() / of_known.mean()
        expected = won_of_n / n * comparable * support
        rate, share = self._beta(won, support), self._beta(support, n)
        lift = rate / (share * rate + (1 - share) * self._beta(won_of_n - won, n - support)) / comparable
        # Other deals would have had other circumstances: the variance of the logarithm of the ratio of the two means.
        spread = (of_holds.std() / of_holds.mean()) ** 2 / support + (of_known.std() / of_known.mean()) ** 2 / n
        lift = lift * np.exp(np.sqrt(spread) * self._random.standard_normal(_DRAWS))
        tail = (1 - CONFIDENCE_LEVEL) / 2
        low, high = np.quantile(lift, (tail, 1 - tail))
        return Confirmation(n, support, won, float(expected), float(won / expected), float(low), float(high))

    def _beta(self, count: int, n: int) -> Floats:
        """Return draws of a share by its posterior with the prior of Jeffreys, whose intervals have good coverage.

        Brown, Cai and DasGupta (2001), https://doi.org/10.1214/ss/1009213286.
        """
        draws: Floats = self._random.beta(count + 0.5, n - count + 0.5, _DRAWS)
        return draws


def _one_sided(tested: Tested, found: Found) -> float:
    return float(tested.p_value[0]) / 2 if bool(tested.deviation[0] > 0) is found.counts.is_above else 1.0
