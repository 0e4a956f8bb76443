"""The deals that the forecast is fitted on: snapshots of closed deals at landmark ages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from copilot_pipeline.marts.forecast.data import DAY_SECONDS, Floats, ForecastData, Ints
from copilot_pipeline.marts.forecast.features import FeatureBuilder, Snapshots, landmarks

LANDMARKS = 6
MAX_TRAINING_DEALS = 4000  # the newest; more add time, not accuracy


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Snapshots of closed deals, whether each deal was won, and a weight that falls with the time since its close."""

    snapshots: Snapshots
    won: Floats
    weight: Floats  # adds up to the number of deals, if none is down-weighted

    @property
    def deals(self) -> int:
        """Number of deals."""
        return len(np.unique(self.snapshots.deal))

    def take(self, chosen: Ints) -> TrainingSet:
        """Return some of the snapshots."""
        return TrainingSet(self.snapshots.take(chosen), self.won[chosen], self.weight[chosen])


def training_set(
    data: ForecastData, builder: FeatureBuilder, closed: Ints, at: int, half_life_days: float
) -> TrainingSet:
    """Return the snapshots of closed deals at the landmark ages, as known at a time after they closed."""
    newest = closed[np.argsort(-data.closed_at[closed], kind="stable")][:MAX_TRAINING_DEALS]
    deal, times = landmarks(data, np.sort(newest), LANDMARKS)
    snapshots = builder.snapshots(deal, times)
    deals = max(1, len(np.unique(deal)))
    since = (at - data.closed_at[deal]) / DAY_SECONDS
    weight = np.power(0.5, since / half_life_days) * deals / max(1, len(deal))
    return TrainingSet(snapshots, data.outcome[deal].astype(np.float64), weight)
