"""Whether calls added something to the CRM not only now, but at the looks of the last quarter as well.

A report is read every week. A test at 5 % whose data grow from look to look is passed at some look of a year much more
often than in 5 % of the companies without signals (Armitage, McPherson and Rowe, "Repeated significance tests on
accumulating data", Journal of the Royal Statistical Society A 132, 1969, 235-244). What must be significant at four
looks a month apart, each with what was known then, is seldom chance: chance comes and goes, signals stay.
"""

from __future__ import annotations

from dataclasses import dataclass

from copilot_pipeline.config.forecast import ForecastSettings
from copilot_pipeline.marts.forecast.added_by_calls import p_value_of_calls
from copilot_pipeline.marts.forecast.backtest import Forecaster, closed_before
from copilot_pipeline.marts.forecast.data import DAY_SECONDS, ForecastData
from copilot_pipeline.marts.forecast.features import FeatureBuilder
from copilot_pipeline.marts.forecast.training import training_set

_EARLIER_LOOKS, _DAYS_BETWEEN = 3, 30
_NOT_WORTH_A_LOOK = 0.05  # earlier looks change nothing if this one is above


@dataclass(frozen=True, slots=True)
class Evidence:
    """P-values of "calls tell nothing about the outcome": now, and a month, two and three ago; None: too few deals.

    There are no earlier ones if chance explains what is there now.
    """

    p_value: float
    earlier: tuple[float | None, ...] = ()

    def has_lasted(self, level: float) -> bool:
        """Return whether all looks are significant."""
        return len(self.earlier) == _EARLIER_LOOKS and all(
            one is not None and one <= level for one in (self.p_value, *self.earlier)
        )

    @property
    def sentence(self) -> str:
        """The p-values in words."""
        now = f"p = {self.p_value:.3f}"
        known = [one for one in self.earlier if one is not None]
        if not self.earlier:
            return now
        if len(known) < len(self.earlier):
            return f"{now}; too few deals had closed three months ago to see whether it lasts"
        return f"{now}, in the three months before at most {max(known):.3f}"


def evidence_of_calls(
    forecaster: Forecaster, data: ForecastData, builder: FeatureBuilder, at: int, settings: ForecastSettings
) -> Evidence:
    """Test what calls add on the deals that the forecaster was fitted on, and on those that had closed before."""
    now = p_value_of_calls(forecaster.training, data.rep, settings.seed)
    if now > _NOT_WORTH_A_LOOK:
        return Evidence(now)
    looks = (at - number * _DAYS_BETWEEN * DAY_SECONDS for number in range(1, _EARLIER_LOOKS + 1))
    return Evidence(now, tuple(_p_value_at(look, data, builder, settings) for look in looks))


def _p_value_at(at: int, data: ForecastData, builder: FeatureBuilder, settings: ForecastSettings) -> float | None:
    closed = closed_before(data, at)
    if len(closed) < settings.min_deals:
        return None
    return p_value_of_calls(training_set(data, builder, closed, at, settings.half_life_days), data.rep, settings.seed)
