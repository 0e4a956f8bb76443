"""The two baselines: the share of closed deals that were won, overall and of those that passed a stage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from copilot_pipeline.marts.forecast.data import Floats, Ints
from copilot_pipeline.marts.forecast.training import TrainingSet

# The rate of a stage with few deals is pulled to the rate of all deals, as if by this many deals.
_PRIOR_DEALS = 5.0


@dataclass(frozen=True, slots=True)
class Baselines:
    """Historical win rates. `stage_won` and `stage_deals` are weighted counts by number of the stage."""

    base_rate: float
    deals: float
    stage_won: Floats
    stage_deals: Floats

    def stage_rate(self, stage: Ints) -> Floats:
        """Return the historical win rate of each stage; the base rate for a stage without closed deals."""
        won, lost = self.counts(stage)
        return np.asarray(won / (won + lost))

    def interval(self, stage: Ints) -> tuple[Floats, Floats]:
        """Return the 95 % interval of the stage's win rate."""
        won, lost = self.counts(stage)
        return np.asarray(beta.ppf(0.025, won, lost)), np.asarray(beta.ppf(0.975, won, lost))

    def draws(self, stage: Ints, count: int, rng: np.random.Generator) -> Floats:
        """Return log-odds (stages, count) under draws of the rates, the same draws for deals of one stage."""
        stages, of_stage = np.unique(stage, return_inverse=True)
        won, lost = self.counts(stages)
        drawn = np.clip(rng.beta(won[:, None], lost[:, None], (len(stages), count)), 1e-6, 1 - 1e-6)
        return np.asarray(np.log(drawn / (1 - drawn))[of_stage])

    def counts(self, stage: Ints) -> tuple[Floats, Floats]:
        """Return the won and lost deals of each stage, pulled to the base rate."""
        base = min(max(self.base_rate, 0.01), 0.99)
        known = np.minimum(stage, len(self.stage_won) - 1)
        outside = stage >= len(self.stage_won)
        won = np.where(outside, 0.0, self.stage_won[known])
        deals = np.where(outside, 0.0, self.stage_deals[known])
        return won + _PRIOR_DEALS * base, deals - won + _PRIOR_DEALS * (1 - base)


def baselines(training: TrainingSet, won: Floats, weight: Floats, stages: int) -> Baselines:
    """Return the win rates: of all closed deals (`won`, with their weights), and of those seen in each stage.

    A deal counts once for each stage in which a landmark found it.
    """
    pairs, first = np.unique(training.snapshots.deal * np.int64(stages) + training.snapshots.stage, return_index=True)
    stage = (pairs % stages).astype(np.int64)
    of_pair = training.weight[first] * len(training.won) / max(1, training.deals)
    return Baselines(
        base_rate=float(np.average(won, weights=weight)) if len(won) else 0.0,
        deals=float(weight.sum()),
        stage_won=np.bincount(stage, of_pair * training.won[first], minlength=stages).astype(np.float64),
        stage_deals=np.bincount(stage, of_pair, minlength=stages).astype(np.float64),
    )


def rates_of(training: TrainingSet, stages: int) -> Baselines:
    """Return the win rates of the deals of a training set alone."""
    _, first = np.unique(training.snapshots.deal, return_index=True)
    return baselines(training, training.won[first], training.weight[first], stages)
