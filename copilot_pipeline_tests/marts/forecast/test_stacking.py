"""How much of the model is added to the win rate of the stage."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit

from copilot_pipeline.marts.forecast.data import Floats
from copilot_pipeline.marts.forecast.features import Snapshots
from copilot_pipeline.marts.forecast.stacking import Share, share_of_model
from copilot_pipeline.marts.forecast.training import TrainingSet

DEALS, EACH = 400, 3  # snapshots of a deal share its outcome
QUALITY, STAGE = np.random.default_rng(0).standard_normal((2, DEALS))


def share(model: Floats, seed: int, *, quality: float = 1.0, crm: Floats = 0.5 * STAGE) -> Share:
    """The share of a model of deals that are won by their stage and their quality; the CRM has only the stage."""
    won = (np.random.default_rng(seed).random(DEALS) < expit(0.5 * STAGE + quality * QUALITY)).astype(np.float64)
    deal = np.repeat(np.arange(DEALS), EACH)
    snapshots = Snapshots(deal, deal, np.zeros((len(deal), 0)), np.zeros(len(deal), np.int64))
    training = TrainingSet(snapshots, won[deal], np.full(len(deal), 1 / EACH))
    return share_of_model(0.5 * STAGE[deal], crm[deal], model[deal], training)


def test_a_model_with_information_is_used() -> None:
    """Most of it, in every one of these worlds, and far beyond chance."""
    found = [share(0.5 * STAGE + QUALITY, seed) for seed in range(5)]
    assert all(one.value > 0.5 and one.statistic > 5 for one in found)


def test_a_model_without_information_is_seldom_used() -> None:
    """In 100 worlds without an effect of the quality, it is beyond chance in few, and its share is small."""
    found = [share(0.5 * STAGE + 0.5 * QUALITY, seed, quality=0.0) for seed in range(100)]
    assert sum(one.statistic > 1.645 for one in found) <= 10
    assert np.mean([one.value for one in found]) < 0.05


def test_a_constant_model_adds_nothing() -> None:
    """Though it is better than win rates that are noise; a model that equals the stage adds nothing either."""
    assert share(np.full(DEALS, logit(0.5)), 1) == Share(0.0, 0.0)
    assert share(0.5 * STAGE, 1) == Share(0.0, 0.0)


def test_what_the_crm_shows_is_not_credited_to_calls() -> None:
    """A model with what the CRM has, and noise of calls, is better than the stage; calls are beyond chance in few."""
    known = 0.5 * STAGE + QUALITY
    noise = np.random.default_rng(1).standard_normal((100, DEALS))
    found = [share(known + 0.3 * noise[seed], seed, crm=known) for seed in range(100)]
    assert np.mean([one.value for one in found]) > 0.5
    assert sum(one.statistic > 1.645 for one in found) <= 10
