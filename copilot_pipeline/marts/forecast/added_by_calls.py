"""Whether what was said on calls goes with the outcome among deals that look the same in the CRM and had as many calls.

A global test (Goeman, van Houwelingen and Finos, Biometrika 98 (2011), 381-390): the sum of squares of the scores of
all columns that come from calls, in a logistic regression on what is held constant. Its null distribution comes from
random signs of the scores of deals, which are independent (Hemerik, Goeman and Finos, Journal of the Royal Statistical
Society B 82 (2020), 841-864). The variance is multiplied by n / (n - k), for n deals and k columns that are held
constant, as in HC1 (MacKinnon and White, Journal of Econometrics 29 (1985), 305-325).

Held constant are the stage, age, amount and moves of the close date; the number of calls, which is high if a deal takes
long; the date, so that neither a trend nor a season counts as something that was said; and the rep. A model that was
selected and cross-validated on the same deals is no reference: its penalty may hide what the CRM shows.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from sklearn.linear_model import LogisticRegression

from copilot_pipeline.marts.forecast.data import Floats, Ints
from copilot_pipeline.marts.forecast.features import (
    AGE,
    AMOUNT,
    CALL_FEATURES,
    CALLS,
    CRM_FEATURES,
    TIME_IN_STAGE,
    Feature,
)
from copilot_pipeline.marts.forecast.training import TrainingSet

_DRAWS = 2_000
_DRAWS_AT_ONCE = 250  # bounds the memory
_CLIP = (0.01, 0.99)
_RIDGE = 0.01
_BANDS = 10  # of the amount
_YEAR_S = 365.25 * 86_400
_SEASONS_FROM_S = 1.25 * _YEAR_S
_MIN_DEALS_OF_REP = 8
_MAX_REPS = 40  # those with the most deals; the others are one group
# Fewer deals cannot hold as much constant. Reps are worth more: they differ in what they say and in what they win.
_DEALS_PER_COLUMN, _DEALS_PER_COLUMN_OF_REPS = 6, 3
_FIRST = (*CRM_FEATURES, *CALL_FEATURES)


def p_value_of_calls(training: TrainingSet, reps: Ints, seed: int) -> float:
    """Return the p-value of "the calls of a deal tell nothing about its outcome". `reps` has one per deal, or -1."""
    if len(np.unique(training.won)) < 2:
        return 1.0
    known = _known(training, reps)
    said = _standard(_filled(_said(training)))
    if not said.shape[1]:
        return 1.0
    model = LogisticRegression(C=1 / _RIDGE, solver="newton-cholesky", max_iter=100)
    chance = model.fit(known, training.won, sample_weight=training.weight).predict_proba(known)[:, 1]
    columns = np.column_stack([np.ones(len(known)), known])
    weighted = columns * (training.weight * chance * (1 - chance))[:, None]
    information = weighted.T @ columns + _RIDGE * np.eye(columns.shape[1])
    left = said - columns @ np.linalg.solve(information, weighted.T @ said)
    scores = left * (training.weight * (training.won - chance))[:, None]
    _, first = np.unique(training.snapshots.deal, return_index=True)  # snapshots are in order of their deals
    of_deals = np.add.reduceat(scores, first, axis=0)
    free = max(1, len(of_deals) - columns.shape[1])
    found = float((of_deals.sum(axis=0) ** 2).sum()) * free / len(of_deals)
    random = np.random.default_rng(seed)
    larger = 0
    for _ in range(_DRAWS // _DRAWS_AT_ONCE):
        signs = random.choice((-1.0, 1.0), size=(_DRAWS_AT_ONCE, len(of_deals)))
        larger += int((((signs @ of_deals) ** 2).sum(axis=1) >= found).sum())
    return (1 + larger) / (1 + _DRAWS)


def _said(training: TrainingSet) -> Floats:
    values = training.snapshots.values
    return np.delete(values, [*range(len(CRM_FEATURES)), _FIRST.index(Feature(CALLS))], axis=1)


def _known(training: TrainingSet, reps: Ints) -> Floats:
    """Return the columns that are held constant: the first ones always, the others as far as there are deals."""
    values = _filled(training.snapshots.values[:, : len(_FIRST)])
    age, in_stage, calls = (_standard(values[:, [_FIRST.index(Feature(name))]]) for name in (AGE, TIME_IN_STAGE, CALLS))
    at = training.snapshots.at.astype(np.float64)
    time = _standard(at[:, None])
    stages = training.snapshots.stage[:, None] == np.unique(training.snapshots.stage)[None, 1:]
    kept = np.hstack([stages, _standard(values[:, : len(CRM_FEATURES)]), calls, time])
    amount = training.snapshots.values[:, _FIRST.index(Feature(AMOUNT))]
    none = np.zeros((len(at), 0))
    of_reps = np.hstack([none, *_rep_columns(training.snapshots.deal, reps)])
    if kept.shape[1] + of_reps.shape[1] <= training.deals // _DEALS_PER_COLUMN_OF_REPS:
        kept = np.hstack([kept, of_reps])
    further = (
        np.hstack([time**2, *_season(at)]),
        _bands(amount),
        np.hstack([calls**2, age**2, in_stage**2]),
        np.hstack([none, *(one * age for one in (calls, in_stage) if one.shape == age.shape)]),
    )
    for columns in further:
        if kept.shape[1] + columns.shape[1] <= training.deals // _DEALS_PER_COLUMN:
            kept = np.hstack([kept, columns])
    return kept


def _rep_columns(deal: Ints, reps: Ints) -> Iterator[Floats]:
    found, deals = np.unique(reps[np.unique(deal)], return_counts=True)
    frequent = found[(found >= 0) & (deals >= _MIN_DEALS_OF_REP)]
    by_deals = sorted(frequent.tolist(), key=lambda rep: (-deals[found == rep][0], rep))
    for rep in by_deals[:_MAX_REPS]:
        yield (reps[deal] == rep).astype(np.float64)[:, None]


def _season(at: Floats) -> Iterator[Floats]:
    if np.ptp(at) > _SEASONS_FROM_S:
        yield np.column_stack([np.sin(2 * np.pi * at / _YEAR_S), np.cos(2 * np.pi * at / _YEAR_S)])


def _bands(amount: Floats) -> Floats:
    known = ~np.isnan(amount)
    if not known.any():
        return np.zeros((len(amount), 0))
    limits = np.unique(np.quantile(amount[known], np.arange(1, _BANDS) / _BANDS))
    return np.column_stack([amount > limit for limit in limits]).astype(np.float64)


def _filled(values: Floats) -> Floats:
    """Return values with the median in place of missing ones, clipped to where nearly all are."""
    missing = np.isnan(values)
    known = np.where(missing.all(axis=0, keepdims=True), 0.0, values)
    filled = np.where(np.isnan(known), np.nanmedian(known, axis=0), known)
    low, high = np.quantile(filled, _CLIP, axis=0)
    return np.asarray(np.clip(filled, low, high))


def _standard(values: Floats) -> Floats:
    """Return the columns that vary, with mean 0 and variance 1."""
    spread = values.std(axis=0)
    varies = spread > 1e-9
    return np.asarray((values[:, varies] - values[:, varies].mean(axis=0)) / spread[varies])
