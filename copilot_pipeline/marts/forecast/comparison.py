"""Brier scores of forecasts, their paired differences, and the decision between model and baseline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from copilot_pipeline.marts.forecast.data import Floats, Ints
from copilot_pipeline.marts.forecast.evidence import Evidence
from copilot_pipeline.marts.intervals import CONFIDENCE_LEVEL
from copilot_pipeline.marts.numbers import MINUS

MAX_P_VALUE = 0.05  # of the test of what calls add, at each of its looks
MIN_DEALS = 20  # closed deals with a forecast, below which nothing is concluded


@dataclass(frozen=True, slots=True)
class Difference:
    """By how much a forecast's Brier score is lower than a baseline's, per deal, with its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Brier scores over deals: each deal counts once, as the mean over its forecasts."""

    deals: int
    model: float
    stage: float
    base: float
    over_stage: Difference
    over_base: Difference
    evidence: Evidence | None = None  # of what calls add to the CRM's fields, on all closed deals

    @property
    def is_better(self) -> bool:
        """Whether the model beats the stage's win rate here, and by more than chance.

        Chance is excluded by the test on all closed deals where there is one, else by the interval.
        """
        if self.deals < MIN_DEALS or self.over_stage.mean <= 0:
            return False
        return self.over_stage.low > 0 if self.evidence is None else self.evidence.has_lasted(MAX_P_VALUE)

    @property
    def is_worse(self) -> bool:
        """Whether the stage's win rate beats the model: the interval is below 0."""
        return self.deals >= MIN_DEALS and self.over_stage.high < 0


def compare(
    deal: Ints, won: Floats, model: Floats, stage: Floats, base: Floats, evidence: Evidence | None = None
) -> Comparison | None:
    """Compare forecasts of closed deals; None without any."""
    if not len(deal):
        return None
    of_model, of_stage, of_base = (per_deal(deal, (forecast - won) ** 2) for forecast in (model, stage, base))
    return Comparison(
        deals=len(of_model),
        model=float(of_model.mean()),
        stage=float(of_stage.mean()),
        base=float(of_base.mean()),
        over_stage=_difference(of_stage - of_model),
        over_base=_difference(of_base - of_model),
        evidence=evidence,
    )


def per_deal(deal: Ints, values: Floats) -> Floats:
    """Return the mean of each deal's values."""
    _, number = np.unique(deal, return_inverse=True)
    return np.asarray(np.bincount(number, values) / np.bincount(number))


def _difference(values: Floats) -> Difference:
    """Return the mean of paired differences with the interval of the t-test over deals, which are independent."""
    mean = float(values.mean())
    if len(values) < 2:
        return Difference(mean, -np.inf, np.inf)
    error = float(values.std(ddof=1)) / np.sqrt(len(values))
    reach = float(student.ppf(0.5 + CONFIDENCE_LEVEL / 2, len(values) - 1)) * error
    return Difference(mean, mean - reach, mean + reach)


def verdict(comparison: Comparison | None, where: str) -> tuple[str, str]:
    """Return the verdict and its sentence; `where` says which forecasts were compared: `in the backtest`."""
    if comparison is None or comparison.deals < MIN_DEALS:
        deals = comparison.deals if comparison else 0
        return "too few", f"Too few to judge: {deals} closed deals {where}, {MIN_DEALS} are needed."
    gain = comparison.over_stage
    figures = (
        f"Brier score of {comparison.deals:,} closed deals {where}: model {comparison.model:.3f}, win rate of the "
        f"stage {comparison.stage:.3f}, base rate {comparison.base:.3f}; gain over the stage {_signed(gain.mean)} "
        f"(95 % interval {_signed(gain.low)} to {_signed(gain.high)})"
    )
    if comparison.evidence is not None:
        figures += f"; what calls add to the fields of the CRM: {comparison.evidence.sentence}"
    if comparison.is_better:
        return "better", f"{figures}: the model is better than the win rate of the stage."
    if comparison.is_worse:
        return "worse", f"{figures}: the model is worse than the win rate of the stage."
    is_new = gain.mean > 0 and comparison.evidence is not None and comparison.evidence.p_value <= MAX_P_VALUE
    until = ", as long as this has not held for three months" if is_new else ""
    return "no better", f"{figures}: the model is no better than stage{until}."


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", MINUS)
