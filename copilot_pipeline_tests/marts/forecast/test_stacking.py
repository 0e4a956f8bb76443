"""How much of the model is added to the win rate of the stage, and whether calls add anything to the CRM."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit

from copilot_pipeline.marts.forecast.added_by_calls import p_value_of_calls
from copilot_pipeline.marts.forecast.data import DAY_SECONDS, Floats, Ints
from copilot_pipeline.marts.forecast.features import CALL_FEATURES, CALLS, CRM_FEATURES, Feature, Snapshots
from copilot_pipeline.marts.forecast.stacking import share_of_model
from copilot_pipeline.marts.forecast.training import TrainingSet

DEALS, EACH = 400, 3  # snapshots of a deal share its outcome
QUALITY, STAGE = np.random.default_rng(0).standard_normal((2, DEALS))
DEAL = np.repeat(np.arange(DEALS), EACH)
NO_REPS = np.full(DEALS, -1)
FIRST = (*CRM_FEATURES, *CALL_FEATURES)


def training(log_odds: Floats, seed: int, values: Floats | None = None, at: Ints | None = None) -> TrainingSet:
    """Return deals with these log-odds to be won."""
    won = (np.random.default_rng(seed).random(DEALS) < expit(log_odds)).astype(np.float64)
    none = np.zeros((len(DEAL), 0))
    snapshots = Snapshots(
        DEAL, DEAL if at is None else at, none if values is None else values, np.zeros(len(DEAL), np.int64)
    )
    return TrainingSet(snapshots, won[DEAL], np.full(len(DEAL), 1 / EACH))


def share(model: Floats, seed: int, *, quality: float = 1.0) -> float:
    """The share of a model of deals that are won by their stage and their quality."""
    return share_of_model(0.5 * STAGE[DEAL], model[DEAL], training(0.5 * STAGE + quality * QUALITY, seed))


def p_value(
    log_odds: Floats,
    seed: int,
    brick: Floats,
    *,
    calls: Floats | None = None,
    reps: Ints = NO_REPS,
    at: Ints | None = None,
) -> float:
    """The p-value of calls, with four bricks: one that is given and three of noise."""
    noise = np.random.default_rng(1000 + seed).standard_normal((len(DEAL), len(FIRST) + 4))
    noise[:, -1] += brick[DEAL]
    if calls is not None:
        noise[:, FIRST.index(Feature(CALLS))] = calls[DEAL]
    return p_value_of_calls(training(log_odds, seed, noise, at), reps, 0)


def test_a_model_with_information_is_used() -> None:
    """Most of it, in every one of these worlds."""
    assert all(share(0.5 * STAGE + QUALITY, seed) > 0.5 for seed in range(5))


def test_a_model_without_information_is_seldom_used() -> None:
    """In 100 worlds without an effect of the quality, its share is small."""
    assert np.mean([share(0.5 * STAGE + 0.5 * QUALITY, seed, quality=0.0) for seed in range(100)]) < 0.05


def test_a_constant_model_adds_nothing() -> None:
    """Though it is better than win rates that are noise; a model that equals the stage adds nothing either."""
    assert share(np.full(DEALS, logit(0.5)), 1) == 0.0
    assert share(0.5 * STAGE, 1) == 0.0


def test_what_is_said_on_calls_is_found() -> None:
    """A brick that shows the quality of the deals is far beyond chance in each of five worlds."""
    assert all(p_value(QUALITY, seed, QUALITY) < 0.01 for seed in range(5))


def test_what_else_goes_with_the_outcome_is_not_credited_to_what_is_said() -> None:
    """Number of calls, rep and date decide, and a brick shows them: p <= 0.05 in at most a tenth of the worlds."""
    reps = np.arange(DEALS) % 8
    of_rep = reps / 2.0 - 1.75
    at = DEAL * DAY_SECONDS
    of_date = 3.0 * np.arange(DEALS) / DEALS
    found = [
        p_value(confounder, seed, confounder, **known)
        for seed in range(12)
        for confounder, known in ((STAGE, {"calls": STAGE}), (of_rep, {"reps": reps}), (of_date, {"at": at}))
    ]
    assert sum(value <= 0.05 for value in found) <= 4
