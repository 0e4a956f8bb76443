"""Forecasts as they would have been made at past times (rolling origin), on what was known at each of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from copilot_pipeline.marts.forecast.baselines import Baselines, baselines
from copilot_pipeline.marts.forecast.data import DAY_SECONDS, Floats, ForecastData, Ints
from copilot_pipeline.marts.forecast.features import FeatureBuilder, Snapshots
from copilot_pipeline.marts.forecast.model import WinModel, fit
from copilot_pipeline.marts.forecast.training import TrainingSet, training_set

ORIGINS = 8  # times at which the model is fitted again
DATES_PER_ORIGIN = 4
MIN_PER_OUTCOME = 10  # won and lost deals each, below which there is nothing to learn from


@dataclass(frozen=True, slots=True)
class Forecaster:
    """The model and the baselines that were fitted on the deals closed by a time; no model if there were too few."""

    model: WinModel | None
    baselines: Baselines | None
    training: TrainingSet
    closed: int
    won: int


@dataclass(frozen=True, slots=True)
class Backtest:
    """Forecasts of past origins for deals that have closed since, one entry per origin and deal."""

    snapshots: Snapshots
    model: Floats
    stage: Floats
    base: Floats
    low: Floats
    high: Floats
    won: Floats

    @property
    def deal(self) -> Ints:
        """The deal of each forecast."""
        return self.snapshots.deal


def closed_before(data: ForecastData, at: int) -> Ints:
    """Return the deals that had closed by a time."""
    return np.flatnonzero((data.outcome >= 0) & (data.closed_at <= at))


def train(
    data: ForecastData, builder: FeatureBuilder, at: int, *, min_deals: int, half_life_days: float, seed: int
) -> Forecaster:
    """Fit model and baselines on the deals that had closed by a time. There is no model below `min_deals`."""
    closed = closed_before(data, at)
    training = training_set(data, builder, closed, at, half_life_days)
    won = data.outcome[closed].astype(np.float64)
    if not len(training.won):
        return Forecaster(None, None, training, len(closed), int(won.sum()))
    weight = np.power(0.5, (at - data.closed_at[closed]) / DAY_SECONDS / half_life_days)
    found = baselines(training, won, weight, len(builder.past.stages))
    _, first = np.unique(training.snapshots.deal, return_index=True)
    of_deals = training.won[first]
    enough = len(of_deals) >= min_deals and min(of_deals.sum(), (1 - of_deals).sum()) >= MIN_PER_OUTCOME
    return Forecaster(fit(training, found, seed) if enough else None, found, training, len(closed), int(won.sum()))


def backtest(
    data: ForecastData, builder: FeatureBuilder, now: int, *, min_deals: int, half_life_days: float, seed: int
) -> Backtest:
    """Forecast at past times the deals that were open then and have closed since.

    The model is fitted at a few origins, and makes the forecasts of some dates up to the next origin.
    """
    parts = []
    fitted_at = origins(data, now, min_deals)
    for origin, next_origin in zip(fitted_at, [*fitted_at, now][1:], strict=True):
        forecaster = train(data, builder, origin, min_deals=min_deals, half_life_days=half_life_days, seed=seed)
        dates = np.unique(np.linspace(origin, next_origin, DATES_PER_ORIGIN, endpoint=False).astype(np.int64))
        is_open = (data.started_at[None, :] < dates[:, None]) & (data.closed_at[None, :] > dates[:, None])
        date, deal = np.nonzero(is_open & (data.outcome >= 0)[None, :])
        if forecaster.model is not None and forecaster.baselines is not None and len(deal):
            snapshots = builder.snapshots(deal, dates[date])
            low, high = forecaster.model.interval(snapshots)
            parts.append(
                Backtest(
                    snapshots,
                    forecaster.model.probability(snapshots),
                    forecaster.baselines.stage_rate(snapshots.stage),
                    np.full(len(deal), forecaster.baselines.base_rate),
                    low,
                    high,
                    data.outcome[deal].astype(np.float64),
                )
            )
    return _joined(parts, builder)


def origins(data: ForecastData, now: int, min_deals: int) -> list[int]:
    """Return the times of the backtest: from the close of the first `min_deals` deals, or of 30 % of them, on."""
    closed = np.sort(data.closed_at[closed_before(data, now)])
    first = max(min_deals, round(0.3 * len(closed)))
    if len(closed) <= first:
        return []
    places = np.unique(np.linspace(first, len(closed), ORIGINS, endpoint=False).astype(np.int64))
    return sorted({int(closed[place - 1]) + 1 for place in places})


def _joined(parts: list[Backtest], builder: FeatureBuilder) -> Backtest:
    if not parts:
        none = np.zeros(0)
        whole = np.zeros(0, np.int64)
        return Backtest(builder.snapshots(whole, whole), none, none, none, none, none, none)
    of_parts = [part.snapshots for part in parts]
    snapshots = Snapshots(
        np.concatenate([one.deal for one in of_parts]),
        np.concatenate([one.at for one in of_parts]),
        np.vstack([one.values for one in of_parts]),
        np.concatenate([one.stage for one in of_parts]),
    )
    columns = [
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("model", "stage", "base", "low", "high", "won")
    ]
    return Backtest(snapshots, *columns)
