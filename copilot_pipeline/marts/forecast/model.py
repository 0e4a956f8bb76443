"""The win probability: a regularised, calibrated logistic regression on deals as they looked at landmark ages.

The training set stacks the closed deals that were still open at each landmark age, with what was known about them at
that age: the landmark supermodel of van Houwelingen, "Dynamic Prediction by Landmarking in Event History Analysis",
Scandinavian Journal of Statistics 34 (2007), 70-85. Snapshots of one deal are not independent, so they share one fold
in cross-validation, and are one cluster in the covariance that intervals are computed from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from copilot_pipeline.marts.forecast.baselines import Baselines, rates_of
from copilot_pipeline.marts.forecast.data import Floats, Ints
from copilot_pipeline.marts.forecast.features import Snapshots
from copilot_pipeline.marts.forecast.stacking import share_of_model
from copilot_pipeline.marts.forecast.training import TrainingSet

Z_95 = 1.959963984540054
FOLDS = 5
# Inverse strengths of the penalty that are compared.
PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.1)
MAX_TUNING_DEALS = 1500
# Stages are the baseline that the model must not fall behind, so they are penalised less: by this factor squared.
_STAGE_SCALE = 5.0
_CLIP = (0.01, 0.99)
# Cross-validated calibration is pulled to no correction, as if by this many deals.
_CALIBRATION_PRIOR_DEALS = 100.0
# The simplest model whose loss is within this many standard errors of the best one is chosen.
_SIMPLER_WITHIN = 0.5
_Fold = tuple[TrainingSet, Ints]  # the deals outside of it, and the places of its snapshots


@dataclass(frozen=True, slots=True)
class Scaling:
    """How the columns of snapshots become standardised columns. Values outside of the training data are clipped."""

    median: Floats
    low: Floats
    high: Floats
    centre: Floats
    scale: Floats
    stages: Ints  # stages with a column

    def apply(self, snapshots: Snapshots) -> Floats:
        """Return standardised columns, then a column per stage."""
        filled = np.where(np.isnan(snapshots.values), self.median, snapshots.values)
        standard = (np.clip(filled, self.low, self.high) - self.centre) / self.scale
        stages = (snapshots.stage[:, None] == self.stages[None, :]) * _STAGE_SCALE
        return np.hstack([standard, stages])


@dataclass(frozen=True, slots=True)
class WinModel:
    """A fitted model. Coefficients include the calibration."""

    scaling: Scaling
    coefficients: Floats  # per standardised column
    intercept: float
    covariance: Floats  # of the errors of the coefficients and, last, the intercept
    means: Floats  # weighted means of the standardised columns
    penalty: float
    deals: int
    share: float  # of the model in the forecast; the rest is the win rate of the stage

    def log_odds(self, snapshots: Snapshots) -> Floats:
        """Return the log-odds of winning."""
        return np.asarray(self.scaling.apply(snapshots) @ self.coefficients + self.intercept)

    def probability(self, snapshots: Snapshots) -> Floats:
        """Return the probability of winning."""
        return np.asarray(expit(self.log_odds(snapshots)))

    def standard_error(self, snapshots: Snapshots) -> Floats:
        """Return the standard error of the log-odds."""
        columns = self._with_intercept(snapshots)
        return np.asarray(np.sqrt(np.einsum("ij,jk,ik->i", columns, self.covariance, columns, optimize=True)))

    def interval(self, snapshots: Snapshots) -> tuple[Floats, Floats]:
        """Return the 95 % interval of the probability."""
        middle, error = self.log_odds(snapshots), self.standard_error(snapshots)
        return np.asarray(expit(middle - Z_95 * error)), np.asarray(expit(middle + Z_95 * error))

    def contributions(self, snapshots: Snapshots) -> Floats:
        """Return by how much each column moves the log-odds away from those of an average deal."""
        return np.asarray((self.scaling.apply(snapshots) - self.means) * self.coefficients)

    def draws(self, snapshots: Snapshots, count: int, rng: np.random.Generator) -> Floats:
        """Return log-odds (snapshots, count) under draws of the coefficients, the same draws for all snapshots."""
        values, vectors = np.linalg.eigh(self.covariance)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        moved = root @ rng.standard_normal((len(values), count))
        return np.asarray(self.log_odds(snapshots)[:, None] + self._with_intercept(snapshots) @ moved)

    def _with_intercept(self, snapshots: Snapshots) -> Floats:
        columns = self.scaling.apply(snapshots)
        return np.hstack([columns, np.ones((len(columns), 1))])


def fit(training: TrainingSet, rates: Baselines, seed: int) -> WinModel:
    """Choose the penalty and the calibration by cross-validation over deals, and fit the model on all of them."""
    tuning = _newest_deals(training, MAX_TUNING_DEALS)
    folds = _folds(tuning, seed)
    penalty, held_out = _tuned(tuning, folds)
    slope, shift = _calibration(held_out, tuning)
    of_stage = _held_out_rates(tuning, folds, len(rates.stage_won))
    share = share_of_model(of_stage, slope * held_out + shift, tuning)
    scaling = _scaling(training)
    columns = scaling.apply(training.snapshots)
    coefficients, intercept = _fitted(columns, training, penalty)
    covariance = _covariance(columns, training, coefficients, intercept, penalty)
    means = np.average(columns, axis=0, weights=training.weight)
    model = WinModel(
        scaling=scaling,
        coefficients=slope * coefficients,
        intercept=slope * intercept + shift,
        covariance=slope**2 * covariance,
        means=means,
        penalty=penalty,
        deals=training.deals,
        share=share,
    )
    return _stacked(model, rates)


def _stacked(model: WinModel, rates: Baselines) -> WinModel:
    """Return the share of the model, added to the win rates of the stages."""
    share, rest = model.share, 1.0 - model.share
    of_stages = logit(rates.stage_rate(model.scaling.stages))
    of_base = float(logit(rates.stage_rate(np.array([len(rates.stage_won)])))[0])
    coefficients = share * model.coefficients
    first = len(coefficients) - len(of_stages)
    coefficients[first:] += rest * (of_stages - of_base) / _STAGE_SCALE
    won, lost = rates.counts(model.scaling.stages)
    variance = np.zeros(len(model.covariance))
    variance[first:-1] = rest**2 * (1 / won + 1 / lost) / _STAGE_SCALE**2
    return replace(
        model,
        coefficients=coefficients,
        intercept=share * model.intercept + rest * of_base,
        covariance=share**2 * model.covariance + np.diag(variance),
    )


def _newest_deals(training: TrainingSet, most: int) -> TrainingSet:
    deals, first = np.unique(training.snapshots.deal, return_index=True)
    if len(deals) <= most:
        return training
    newest = deals[np.argsort(-training.weight[first], kind="stable")][:most]
    return training.take(np.flatnonzero(np.isin(training.snapshots.deal, newest)))


def _scaling(training: TrainingSet) -> Scaling:
    values = training.snapshots.values
    missing = np.isnan(values)
    known = np.where(np.all(missing, axis=0, keepdims=True), 0.0, values)
    median = np.nanmedian(known, axis=0) if missing.any() else np.median(known, axis=0)
    filled = np.where(np.isnan(known), median, known)
    low, high = np.quantile(filled, _CLIP, axis=0)
    clipped = np.clip(filled, low, high)
    centre, scale = clipped.mean(axis=0), clipped.std(axis=0)
    stages = np.unique(training.snapshots.stage)
    return Scaling(median, low, high, centre, np.where(scale > 1e-9, scale, np.inf), stages)


def _fitted(columns: Floats, training: TrainingSet, penalty: float) -> tuple[Floats, float]:
    model = LogisticRegression(C=penalty, solver="newton-cholesky", max_iter=100, tol=1e-6)
    model.fit(columns, training.won, sample_weight=training.weight)
    return model.coef_[0], float(model.intercept_[0])


def _folds(training: TrainingSet, seed: int) -> list[_Fold]:
    """Return the rest of the training set and the places of each fold. All snapshots of a deal are in one fold."""
    folds = GroupKFold(FOLDS, shuffle=True, random_state=seed).split(training.won, groups=training.snapshots.deal)
    parts = [(training.take(rest), fold) for rest, fold in folds]
    return [(of_rest, fold) for of_rest, fold in parts if len(np.unique(of_rest.won)) > 1]


def _held_out_rates(training: TrainingSet, folds: Sequence[_Fold], stages: int) -> Floats:
    """Return the log-odds of the stages' win rates, each of them without the deals of its fold."""
    found = np.zeros(len(training.won))
    for of_rest, fold in folds:
        found[fold] = logit(rates_of(of_rest, stages).stage_rate(training.snapshots.stage[fold]))
    return found


def _tuned(training: TrainingSet, folds: Sequence[_Fold]) -> tuple[float, Floats]:
    """Return the penalty with the smallest held-out loss, or a stronger one that is as good, and held-out log-odds."""
    held_out = np.zeros((len(PENALTIES), len(training.won)))
    for of_rest, fold in folds:
        scaling = _scaling(of_rest)
        columns, left_out = scaling.apply(of_rest.snapshots), scaling.apply(training.snapshots.take(fold))
        for number, penalty in enumerate(PENALTIES):
            coefficients, intercept = _fitted(columns, of_rest, penalty)
            held_out[number, fold] = left_out @ coefficients + intercept
    losses = np.logaddexp(0.0, np.where(training.won > 0, -held_out, held_out))
    _, deal = np.unique(training.snapshots.deal, return_inverse=True)
    per_deal = np.array([np.bincount(deal, loss * training.weight) for loss in losses])
    best = int(per_deal.sum(axis=1).argmin())
    for number in range(best):
        worse = per_deal[number] - per_deal[best]
        if worse.sum() <= _SIMPLER_WITHIN * worse.std() * np.sqrt(len(worse)):
            return PENALTIES[number], held_out[number]
    return PENALTIES[best], held_out[best]


def _calibration(held_out: Floats, training: TrainingSet) -> tuple[float, float]:
    """Return slope and shift of Platt's calibration, fitted on held-out log-odds; the slope is pulled to 1.

    Platt, "Probabilistic outputs for support vector machines" (1999). Isotonic regression is not used: it needs
    thousands of deals, and the contributions would no longer add up to the probability. The shift makes the mean
    forecast of the held-out deals equal to the share that was won.
    """
    slope = 1.0
    if np.ptp(held_out) > 1e-9:
        model = LogisticRegression(C=1e3, solver="newton-cholesky", max_iter=100)
        model.fit(held_out[:, None], training.won, sample_weight=training.weight)
        slope = float(np.clip(model.coef_[0, 0], 0.0, 2.0))
    slope = 1.0 + (slope - 1.0) * training.deals / (training.deals + _CALIBRATION_PRIOR_DEALS)
    won = float(np.average(training.won, weights=training.weight))

    def excess(shift: float) -> float:
        return float(np.average(expit(slope * held_out + shift), weights=training.weight)) - won

    reach = 30.0 + float(np.abs(slope * held_out).max())
    return slope, float(brentq(excess, -reach, reach))


def _covariance(
    columns: Floats, training: TrainingSet, coefficients: Floats, intercept: float, penalty: float
) -> Floats:
    """Return the covariance of the errors of coefficients and intercept: their sampling error and their shrinkage.

    The sampling error is the sandwich estimate with deals as clusters (Liang and Zeger, "Longitudinal data analysis
    using generalized linear models", Biometrika 73 (1986), 13-22), because snapshots of a deal share its outcome. The
    penalty pulls coefficients to 0 by an amount that depends on their true values, for which the mean square of the
    estimated ones stands, with their sampling error.
    """
    with_intercept = np.hstack([columns, np.ones((len(columns), 1))])
    probability = expit(columns @ coefficients + intercept)
    weight = training.weight * probability * (1.0 - probability)
    prior = np.append(np.full(len(coefficients), 1.0 / penalty), 1e-6)
    information = (with_intercept * weight[:, None]).T @ with_intercept
    inverse = np.linalg.inv(information + np.diag(prior))
    scores = with_intercept * (training.weight * (training.won - probability))[:, None]
    _, first = np.unique(training.snapshots.deal, return_index=True)  # snapshots are in order of their deals
    of_deals = np.add.reduceat(scores, first, axis=0)
    # The residuals of a fitted model are too small by its degrees of freedom.
    free = max(1.0, len(first) - float(np.trace(inverse @ information)))
    sampling = inverse @ (of_deals.T @ of_deals) @ inverse * len(first) / free
    mean_square = float(np.mean(coefficients**2 + np.diag(sampling)[:-1]))
    size = np.append(np.full(len(coefficients), mean_square), 0.0)
    shrinkage = (inverse * prior) @ np.diag(size) @ (inverse * prior).T
    return np.asarray(sampling + shrinkage)
