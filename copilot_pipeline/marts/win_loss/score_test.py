"""Test of conditions against won and lost deals, adjusted for covariates.

The score test of logistic regression (Rao 1948): each condition is tested as if it were added to a model of winning
that has the covariates only. That model is fitted once, with a ridge penalty (Le Cessie and van Houwelingen 1992,
https://doi.org/10.2307/2347628), and its residuals are multiplied with the residuals of the condition, which is
regressed on the covariates as well. An error in either regression alone does not bias the test (Shah and Peters 2020,
https://doi.org/10.1214/19-AOS1857). With strata as covariates it is the Cochran-Mantel-Haenszel test. P-values are
saddlepoint approximations with a continuity correction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from copilot_pipeline.marts.win_loss.adjustment import Adjustment, Covariates, Labels
from copilot_pipeline.marts.win_loss.conditions import Mask
from copilot_pipeline.marts.win_loss.saddlepoint import Floats, two_sided

_CELLS = 1_500_000  # condition x deal at a time: bounds the memory
_FOLDS = 5
_PENALTY = 0.02  # inverse strength (C of scikit-learn), for columns of variance 1
_MAX_CHANCE = 0.995
_SMALL = 1e-9


class Tested(NamedTuple):
    """Results of some conditions, one element each."""

    p_value: Floats  # two-sided
    deviation: Floats  # won deals among those that meet it, minus the expected number; both adjusted


class ScoreTest:
    """Tests conditions on some deals. `covariates` has a row per deal and a first column of ones.

    `chances` are those of the deals to be won by their covariates. `compared` are the deals whose outcomes are
    compared, by default all. The others help to tell what depends on the covariates. `clusters` are the numbers of the
    deals' accounts, if deals of one account are not independent. P-values are normal approximations up to
    `normal_up_to` standard deviations.
    """

    def __init__(
        self,
        won: Mask,
        covariates: Floats,
        chances: Floats,
        compared: Mask | None = None,
        clusters: Labels | None = None,
        *,
        normal_up_to: float = 1.5,
    ) -> None:
        self._won = won.astype(np.float64)
        self._covariates = Covariates.of(covariates)
        self._chances = chances
        self._compared = compared
        self._clusters = clusters
        self._normal_up_to = normal_up_to

    def test(self, holds: Mask, known: Mask, exposure: Floats | None = None) -> Tested:
        """Test conditions, one row each, among the deals for which they are known.

        `exposure` is the chance of each deal to meet the condition by its number of answered calls.
        """
        p_value, deviation = np.ones(len(holds)), np.zeros(len(holds))
        for rows, of_rows in _same_deals(known):
            deals = self._covariates.in_order(of_rows)
            compared = np.ones(len(deals), dtype=np.bool_) if self._compared is None else self._compared[deals]
            if not compared.any():
                continue
            covariates = self._covariates.of_deals(deals)
            clusters = None if self._clusters is None else self._clusters[deals][compared]
            model = _Model(self._won[deals], self._chances[deals], covariates, compared, clusters, self._normal_up_to)
            step = max(1, _CELLS // max(1, len(deals)))
            for start in range(0, len(rows), step):
                chunk = rows[start : start + step]
                at = np.ix_(chunk, deals)
                of_chunk = model.test(holds[at].astype(np.float64), None if exposure is None else exposure[at])
                p_value[chunk], deviation[chunk] = of_chunk
        return Tested(p_value, deviation)


class _Model:
    """The model of winning on the deals for which a condition is known."""

    def __init__(
        self,
        won: Floats,
        chances: Floats,
        covariates: Covariates,
        compared: Mask,
        clusters: Labels | None,
        normal_up_to: float,
    ) -> None:
        self._normal_up_to = normal_up_to
        self._compared = compared
        self._clusters = clusters
        self._chances = _shifted(chances[compared], float(won[compared].sum()))
        self._residuals = won[compared] - self._chances
        self._weights = self._chances * (1.0 - self._chances)
        self._adjustment = Adjustment(covariates, chances * (1.0 - chances))
        if not compared.all():
            # Among the deals that are compared, the condition is centred once more, at each chance to win.
            self._prognosis = np.column_stack([np.ones(len(self._chances)), logit(self._chances)])
            self._to_prognosis = _regression_on(self._prognosis, self._weights)

    def test(self, holds: Floats, exposure: Floats | None) -> Tested:
        residual = self._without_covariates(holds)
        if exposure is not None and np.ptp(exposure, axis=1).max() > _SMALL:
            of_exposure = self._without_covariates(exposure)
            power = (of_exposure**2) @ self._weights
            shared = (residual * of_exposure) @ self._weights
            is_new = power > 1e-4 * self._weights.sum()
            residual -= (np.where(is_new, shared, 0.0) / np.where(is_new, power, 1.0))[:, None] * of_exposure
        deviation = residual @ self._residuals
        variance = (residual**2) @ self._weights
        compared = holds[:, self._compared]
        support = compared.sum(axis=1)
        step = np.divide((residual * compared).sum(axis=1), support, out=np.zeros(len(holds)), where=support > 0)
        corrected = np.maximum(0.0, np.abs(deviation) - step / 2) / np.sqrt(self._design_effect(residual))
        # A condition that the covariates determine is not distinguishable from them.
        is_testable = (variance > 1e-3 * np.maximum(1.0, support) * self._weights.mean()) & (step > 1e-3)
        p_value = np.ones(len(holds))
        p_value[is_testable] = two_sided(
            residual[is_testable],
            self._chances,
            np.copysign(corrected, deviation)[is_testable],
            variance[is_testable],
            self._normal_up_to,
        )
        return Tested(p_value, deviation)

    def _design_effect(self, residual: Floats) -> Floats:
        """Return by how much deals of one account raise the variance of each row, at least 1.

        Rao and Scott, "A simple method for the analysis of clustered binary data", Biometrics 48 (1992), 577-585.
        """
        if self._clusters is None:
            return np.ones(len(residual))
        order = np.argsort(self._clusters, kind="stable")
        starts = np.flatnonzero(np.diff(self._clusters[order], prepend=-1))
        parts = (residual * self._residuals)[:, order]
        alone = (parts**2).sum(axis=1)
        together = (np.add.reduceat(parts, starts, axis=1) ** 2).sum(axis=1)
        effect: Floats = np.divide(together, alone, out=np.ones(len(parts)), where=alone > _SMALL)
        return np.maximum(1.0, effect)

    def _without_covariates(self, values: Floats) -> Floats:
        without = self._adjustment.residuals(values)
        if self._compared.all():
            return without
        without = without[:, self._compared]
        return without - (without @ self._to_prognosis) @ self._prognosis.T


def _regression_on(columns: Floats, weights: Floats) -> Floats:
    """Return the matrix that maps values of the deals to their weighted least-squares coefficients."""
    weighted = columns * weights[:, None]
    matrix: Floats = weighted @ np.linalg.pinv(columns.T @ weighted, hermitian=True)
    return matrix


def fitted_chances(won: Mask, covariates: Floats) -> Floats:
    """Return the chance of each deal to be won by its covariates."""
    if covariates.shape[1] == 1:
        return np.full(len(won), won.mean()).clip(1 - _MAX_CHANCE, _MAX_CHANCE)
    model = _regression().fit(covariates[:, 1:], won)
    chances: Floats = model.predict_proba(covariates[:, 1:])[:, 1].clip(1 - _MAX_CHANCE, _MAX_CHANCE)
    return chances


def predicted_chances(won: Mask, covariates: Floats) -> Floats:
    """Return the chance of each deal to be won, predicted from other deals: a deal's own outcome does not count."""
    if covariates.shape[1] == 1 or min(won.sum(), (~won).sum()) < _FOLDS:
        return np.full(len(won), won.mean()).clip(1 - _MAX_CHANCE, _MAX_CHANCE)
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    chances: Floats = cross_val_predict(_regression(), covariates[:, 1:], won, cv=folds, method="predict_proba")[:, 1]
    return chances.clip(1 - _MAX_CHANCE, _MAX_CHANCE)


def _regression() -> LogisticRegression:
    return LogisticRegression(C=_PENALTY, max_iter=1_000)


def _shifted(chances: Floats, won: float) -> Floats:
    """Return the chances, moved by one term on the scale of log odds so that they sum up to the won deals."""
    odds = logit(chances)
    shift = 0.0
    won = min(max(won, 0.25), len(chances) - 0.25)
    for _ in range(50):
        moved = expit(odds + shift)
        step = (won - moved.sum()) / (moved * (1.0 - moved)).sum()
        shift += float(np.clip(step, -1.0, 1.0))
        if abs(step) < 1e-10:
            break
    found: Floats = expit(odds + shift)
    return found


def _same_deals(known: Mask) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Group the conditions that are known for the same deals: yield their rows, and the deals."""
    rows: defaultdict[bytes, list[int]] = defaultdict(list)
    for row, packed in enumerate(np.packbits(known, axis=1)):
        rows[packed.tobytes()].append(row)
    for same in rows.values():
        deals = np.flatnonzero(known[same[0]])
        if len(deals):
            yield np.array(same), deals
