"""How much of the model to add to the win rate of the stage, estimated on deals that the model was not fitted on.

The forecast is the log-odds of the stage's win rate plus a share of the difference between the model and them. The
share is the coefficient of that difference in a logistic regression whose offset are the stage's log-odds (stacked
regressions: Breiman, Machine Learning 24 (1996), 49-64). It is lowered by one and a half standard errors, so that a
model without information adds nothing.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from copilot_pipeline.marts.forecast.data import Floats
from copilot_pipeline.marts.forecast.training import TrainingSet

_STEPS = 50
_SMALL = 1e-9
_LOWERED_BY = 1.5  # standard errors


def share_of_model(stage: Floats, model: Floats, training: TrainingSet) -> float:
    """Return the share of the model, 0 to 1. Both are held-out log-odds of the training set."""
    if np.ptp(model - stage) < _SMALL or np.ptp(model) < _SMALL:
        return 0.0
    columns = np.column_stack([np.ones(len(stage)), model - stage])
    share, error = _last_coefficient(columns, stage, training)
    return float(np.clip(share - _LOWERED_BY * error, 0.0, 1.0))


def _last_coefficient(columns: Floats, offset: Floats, training: TrainingSet) -> tuple[float, float]:
    """Return the last coefficient of a logistic regression and its standard error, with deals as clusters.

    Snapshots of a deal share its outcome.
    """
    found = np.zeros(columns.shape[1])
    for _ in range(_STEPS):
        probability = expit(offset + columns @ found)
        weight = training.weight * probability * (1.0 - probability)
        information = (columns * weight[:, None]).T @ columns + np.eye(len(found)) * _SMALL
        step = np.linalg.solve(information, columns.T @ (training.weight * (training.won - probability)))
        found = found + np.clip(step, -2.0, 2.0)
        if float(np.abs(step).max()) < _SMALL:
            break
    inverse = np.linalg.inv(information)
    scores = columns * (training.weight * (training.won - probability))[:, None]
    _, first = np.unique(training.snapshots.deal, return_index=True)  # snapshots are in order of their deals
    of_deals = np.add.reduceat(scores, first, axis=0)
    covariance = inverse @ (of_deals.T @ of_deals) @ inverse
    return float(found[-1]), float(np.sqrt(max(covariance[-1, -1], _SMALL)))
