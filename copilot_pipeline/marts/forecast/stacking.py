"""How much of the model to add to the win rate of the stage, estimated on deals that the model was not fitted on.

The forecast is the log-odds of the stage's win rate plus a share of the difference between the model and them. The
share is the coefficient of that difference in a logistic regression whose offset are the stage's log-odds (stacked
regressions: Breiman, Machine Learning 24 (1996), 49-64; encompassing test: Harvey, Leybourne and Newbold, Journal of
Business & Economic Statistics 16 (1998), 254-259). It is lowered by one and a half standard errors, so that a model
without information adds nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import expit

from copilot_pipeline.marts.forecast.data import Floats
from copilot_pipeline.marts.forecast.training import TrainingSet

_STEPS = 50
_SMALL = 1e-9
_LOWERED_BY = 1.5  # standard errors


class Share(NamedTuple):
    """The share of the model in the forecast, and the t-statistic of what calls add to the fields of the CRM."""

    value: float
    statistic: float


def share_of_model(stage: Floats, crm: Floats, model: Floats, training: TrainingSet) -> Share:
    """Return the share of the model, 0 to 1.

    The three are held-out log-odds of the training set: the win rates of the stages, a model of the CRM's fields alone
    (stage, age, amount, moves of the close date), and the model.
    """
    ones = np.ones(len(stage))
    if np.ptp(model - stage) < _SMALL or np.ptp(model) < _SMALL:
        return Share(0.0, 0.0)
    share, error = _last_coefficient(np.column_stack([ones, model - stage]), stage, training)
    # The rates are noisy. Without them being scaled, even a constant could improve them.
    known = [(one - one.mean()) / one.std() for one in (stage, crm) if np.ptp(one) > _SMALL]
    columns = [ones, *known, (model - model.mean()) / model.std()]
    added, error_of_added = _last_coefficient(np.column_stack(columns), np.zeros(len(stage)), training)
    value = float(np.clip(share - _LOWERED_BY * error, 0.0, 1.0))
    statistic = added / error_of_added
    return Share(value, statistic if value > 0 else min(statistic, 0.0))  # what is not used adds nothing


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
