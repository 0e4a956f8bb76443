"""Features of deals at a time: from the calls that were held and the CRM's records that existed by then."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from copilot_pipeline.marts.forecast.data import DAY_SECONDS, Events, Floats, ForecastData, Ints, Signal
from copilot_pipeline.marts.forecast.deal_states import DealPast, DealStates

MAX_SIGNALS = 40  # those with the most answers
RECENT_DAYS = 30
# A mean over few calls is pulled to the brick's mean over all calls, as if by this many calls with that mean.
_PRIOR_CALLS = 2.0
# A brick that open deals' calls answer less than this many times as often as closed deals' calls: it is answered after
# the outcome is known, so it is not there when a forecast needs it.
_MIN_ANSWER_RATIO = 0.5
_MIN_OPEN_CALLS = 30

STAGE, AGE, TIME_IN_STAGE, AMOUNT, PUSHES = "stage", "age", "time in stage", "amount", "pushes of the close date"
SILENCE, CALLS, RECENT_CALLS, PROSPECTS = "silence", "calls", "recent calls", "prospects"
OWN_PEOPLE, COVERAGE, RISKS = "own people", "coverage", "risks"
MEAN, TREND = "mean", "trend"


@dataclass(frozen=True, slots=True)
class Feature:
    """A column. Columns of one `group` are explained together."""

    group: str  # a constant of this module, or the name of a signal
    part: str = ""
    signal: Signal | None = None


# The first columns of snapshots; those after them come from calls.
CRM_FEATURES = (*map(Feature, (AGE, TIME_IN_STAGE, AMOUNT, PUSHES)), Feature(PUSHES, "days"))
CALL_FEATURES = (
    *map(Feature, (SILENCE, CALLS, RECENT_CALLS, PROSPECTS)),
    Feature(PROSPECTS, "per call"),
    *map(Feature, (OWN_PEOPLE, COVERAGE, RISKS)),
)  # followed by those of the bricks


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Features and stages of deals, each at a point in time."""

    deal: Ints
    at: Ints
    values: Floats  # one row per snapshot, one column per feature
    stage: Ints

    def take(self, chosen: Ints) -> Snapshots:
        """Return some of the snapshots."""
        return Snapshots(self.deal[chosen], self.at[chosen], self.values[chosen], self.stage[chosen])


class FeatureBuilder:
    """Builds snapshots. All of one builder have the same features, in the same order."""

    def __init__(self, data: ForecastData) -> None:
        self._data = data
        self.past = DealPast(data)
        self.signals = usable_signals(data)
        self.centres = {signal: _mean(data.signals[signal]) for signal in self.signals}
        self.risks = [signal for signal in self.signals if signal.kind == "bool" and signal.brick.startswith("risk")]
        self.features: list[Feature] = [
            *CRM_FEATURES,
            *CALL_FEATURES,
            *(Feature(signal.name, part, signal) for signal in self.signals for part in (MEAN, TREND)),
        ]

    def snapshots(self, deal: Ints, at: Ints) -> Snapshots:
        """Return what was known about each deal at its time. No event after that time has an effect."""
        states = self.past.deal_as_of(deal, at)
        columns = [*self._crm_columns(deal, at, states), *self._call_columns(deal, at)]
        risks = np.zeros(len(deal))
        of_signals: list[Floats] = []
        for signal in self.signals:
            mean, trend, last = _signal_columns(self._data.signals[signal], self.centres[signal], deal, at)
            of_signals += [mean, trend]
            if signal in self.risks:
                risks += last > 0
        values = np.column_stack([*columns, risks, *of_signals]) if len(deal) else np.zeros((0, len(self.features)))
        return Snapshots(deal, at, values, states.stage)

    def _crm_columns(self, deal: Ints, at: Ints, states: DealStates) -> list[Floats]:
        age = (at - self._data.started_at[deal]) / DAY_SECONDS
        return [
            np.log1p(np.maximum(age, 0.0)),
            np.log1p(states.days_in_stage),
            np.log(states.amount),
            np.log1p(states.pushes.astype(np.float64)),
            np.sign(states.days_pushed) * np.log1p(np.abs(states.days_pushed)),
        ]

    def _call_columns(self, deal: Ints, at: Ints) -> list[Floats]:
        calls = self._data.calls
        first, end = calls.until(deal, at)
        n = (end - first).astype(np.float64)
        last = calls.at[np.maximum(end - 1, 0)] if len(calls.at) else np.zeros(len(deal), np.int64)
        silent_since = np.where(n > 0, last, self._data.started_at[deal])
        recent_first, _ = calls.until(deal, at)
        _, before = calls.until(deal, at - RECENT_DAYS * DAY_SECONDS)
        recent = (end - np.maximum(before, recent_first)).astype(np.float64)
        prospects_first, prospects_end = self._data.prospects.until(deal, at)
        covered_first, covered_end = self._data.covered.until(deal, at)
        return [
            np.log1p(np.maximum(at - silent_since, 0) / DAY_SECONDS),
            np.log1p(n),
            np.log1p(recent),
            np.log1p((prospects_end - prospects_first).astype(np.float64)),
            _shrunken_mean(calls.value, first, end),
            _shrunken_mean(self._data.own_people, first, end),
            (covered_end - covered_first) / max(1, self._data.elements),
        ]


def usable_signals(data: ForecastData) -> list[Signal]:
    """Return the signals with the most answers, without those that open deals do not have, by name."""
    is_open = data.outcome < 0
    calls_open = int(is_open[data.calls.deal].sum())
    calls_closed = len(data.calls.deal) - calls_open
    found = []
    for signal, events in data.signals.items():
        distinct = np.unique(events.value)
        if len(distinct) < 2:
            continue
        answers_open = int(is_open[events.deal].sum())
        rate_closed = (len(events.deal) - answers_open) / max(1, calls_closed)
        if calls_open >= _MIN_OPEN_CALLS and answers_open / calls_open < _MIN_ANSWER_RATIO * rate_closed:
            continue
        found.append((-len(events.deal), signal.name, signal))
    return sorted((signal for _, _, signal in sorted(found)[:MAX_SIGNALS]), key=lambda signal: signal.name)


def _signal_columns(events: Events, centre: float, deal: Ints, at: Ints) -> tuple[Floats, Floats, Floats]:
    """Return the shrunken mean minus the mean of all calls, the newest value minus the mean before it, the newest."""
    first, end = events.until(deal, at)
    n = (end - first).astype(np.float64)
    sums = np.concatenate([[0.0], np.cumsum(events.value)])
    total = sums[end] - sums[first]
    newest = events.value[np.maximum(end - 1, 0)] if len(events.value) else np.zeros(len(deal))
    mean = (total - n * centre) / (n + _PRIOR_CALLS)
    several = n > 1
    before = np.divide(total - newest, n - 1, out=np.zeros(len(deal)), where=several)
    trend = np.where(several, (newest - before) * (n - 1) / (n + _PRIOR_CALLS), 0.0)
    return mean, trend, np.where(n > 0, newest, 0.0)


def _shrunken_mean(values: Floats, first: Ints, end: Ints) -> Floats:
    centre = float(values.mean()) if len(values) else 0.0
    sums = np.concatenate([[0.0], np.cumsum(values)])
    n = (end - first).astype(np.float64)
    return np.asarray((sums[end] - sums[first] - n * centre) / (n + _PRIOR_CALLS) + centre)


def _mean(events: Events) -> float:
    return float(events.value.mean()) if len(events.value) else 0.0


def landmarks(data: ForecastData, closed: Ints, count: int) -> tuple[Ints, Ints]:
    """Return (deal, time) of closed deals at the landmark ages at which they were still open.

    The ages are quantiles of the ages at which calls were held or deals closed, so that they are where the data are.
    """
    ages = _landmark_ages(data, closed, count)
    started, ended = data.started_at[closed], data.closed_at[closed]
    at = started[:, None] + ages[None, :]
    is_open = at < ended[:, None]
    return np.repeat(closed, is_open.sum(axis=1)), at[is_open]


def _landmark_ages(data: ForecastData, closed: Ints, count: int) -> Ints:
    durations = data.closed_at[closed] - data.started_at[closed]
    durations = durations[durations > 0]
    if not len(durations):
        return np.zeros(0, np.int64)
    # Ages that a deal passes are spread evenly over its life; pool them.
    shares = (np.arange(8) + 0.5) / 8
    pooled = (durations[:, None] * shares[None, :]).ravel()
    ages = np.quantile(pooled, (np.arange(count) + 0.5) / count)
    return np.unique(np.maximum(ages, DAY_SECONDS).astype(np.int64))
