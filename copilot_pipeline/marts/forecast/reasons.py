"""The reasons of a win probability in words, each with its points and the newest call that says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from copilot_pipeline.marts.forecast.data import DAY_SECONDS, Events, Floats, ForecastData, Ints, Signal
from copilot_pipeline.marts.forecast.deal_states import DealStates
from copilot_pipeline.marts.forecast.features import (
    AGE,
    AMOUNT,
    CALLS,
    COVERAGE,
    OWN_PEOPLE,
    PROSPECTS,
    PUSHES,
    RECENT_CALLS,
    RECENT_DAYS,
    RISKS,
    SILENCE,
    STAGE,
    TIME_IN_STAGE,
    FeatureBuilder,
    Snapshots,
)
from copilot_pipeline.marts.forecast.model import WinModel
from copilot_pipeline.marts.numbers import MINUS, plain

MAX_REASONS = 5
MIN_POINTS = 1.0
_TIMES = {0: "never", 1: "once", 2: "twice"}


class Reason(NamedTuple):
    """What moves the probability of a deal, by how many percentage points, and the call that shows it."""

    feature: str
    points: float
    text: str
    call: int  # -1 if it is no call

    @property
    def sentence(self) -> str:
        """`champion: yes on 2 of 5 calls: +9 points`."""
        points = round(self.points)
        return f"{self.text}: {'+' if points > 0 else MINUS}{abs(points)} point{'s' if abs(points) != 1 else ''}"


def reasons(data: ForecastData, builder: FeatureBuilder, model: WinModel, snapshots: Snapshots) -> list[list[Reason]]:
    """Return the strongest reasons of each snapshot, strongest first.

    The points of a reason are the difference to the probability with an average value in its place.
    """
    groups = [feature.group for feature in builder.features] + [STAGE] * len(model.scaling.stages)
    names = sorted(set(groups))
    number = {name: place for place, name in enumerate(names)}
    member = np.zeros((len(groups), len(names)))
    member[np.arange(len(groups)), [number[group] for group in groups]] = 1.0
    effects = model.contributions(snapshots) @ member
    log_odds = model.log_odds(snapshots)
    points = 100 * (expit(log_odds)[:, None] - expit(log_odds[:, None] - effects))
    facts = _Facts(data, builder, snapshots)
    found = []
    for row in range(len(snapshots.deal)):
        strongest = np.argsort(-np.abs(points[row]), kind="stable")[:MAX_REASONS]
        chosen = [place for place in strongest if abs(points[row, place]) >= MIN_POINTS]
        found.append(
            [Reason(names[place], float(points[row, place]), *facts.describe(names[place], row)) for place in chosen]
        )
    return found


class _Facts:
    """The facts behind the features of some snapshots."""

    def __init__(self, data: ForecastData, builder: FeatureBuilder, snapshots: Snapshots) -> None:
        deal, at = snapshots.deal, snapshots.at
        self._data = data
        self._centres = builder.centres
        self._stages: Sequence[str] = builder.past.stages
        self._snapshots = snapshots
        self._states: DealStates = builder.past.deal_as_of(deal, at)
        self._signals: Mapping[str, Signal] = {signal.name: signal for signal in builder.signals}
        self._ranges = {signal.name: data.signals[signal].until(deal, at) for signal in builder.signals}
        self._calls = data.calls.until(deal, at)
        self._recent = data.calls.until(deal, at - RECENT_DAYS * DAY_SECONDS)[1]
        self._prospects = data.prospects.until(deal, at)
        self._covered = data.covered.until(deal, at)
        self._risks = sum(
            (self._newest(signal, row_range) for signal, row_range in self._risk_ranges(builder)), np.zeros(len(deal))
        )

    def describe(self, feature: str, row: int) -> tuple[str, int]:
        """Return the words, and the call that shows it; -1 if it is no call."""
        signal = self._signals.get(feature)
        if signal is not None:
            return self._signal(signal, row)
        text = self._of_calls(feature, row)
        return (text, self._last_call(row)) if text is not None else (self._of_crm(feature, row), -1)

    def _of_calls(self, feature: str, row: int) -> str | None:
        first, end = (int(edge[row]) for edge in self._calls)
        n = end - first
        if feature == SILENCE:
            if not n:
                return "no call yet"
            days = round((self._snapshots.at[row] - self._data.calls.at[end - 1]) / DAY_SECONDS)
            return f"silent for {_count(days, 'day')}" if days else "a call today"
        if feature == CALLS:
            return f"{_count(n, 'call')} so far"
        if feature == RECENT_CALLS:
            return f"{_count(end - max(first, int(self._recent[row])), 'call')} in the last {RECENT_DAYS} days"
        if feature == PROSPECTS:
            return f"{_count(_size(self._prospects, row), 'prospect')} on its calls"
        if feature == OWN_PEOPLE:
            mean = float(self._data.own_people[first:end].mean()) if n else 0.0
            return f"{mean:.1f} of our people per call"
        if feature == COVERAGE:
            return f"{_size(self._covered, row)} of {self._data.elements} MEDDICC elements covered"
        if feature == RISKS:
            return f"{_count(int(self._risks[row]), 'risk')} on the newest calls"
        return None

    def _of_crm(self, feature: str, row: int) -> str:
        states = self._states
        if feature == STAGE:
            return f"stage {self._stages[self._snapshots.stage[row]]}"
        if feature == AGE:
            days = (self._snapshots.at[row] - self._data.started_at[self._snapshots.deal[row]]) / DAY_SECONDS
            return f"open for {_count(round(float(days)), 'day')}"
        if feature == TIME_IN_STAGE:
            days = states.days_in_stage[row]
            return "stage not recorded" if np.isnan(days) else f"in this stage for {_count(round(float(days)), 'day')}"
        if feature == AMOUNT:
            return "no amount" if np.isnan(states.amount[row]) else f"amount of {states.amount[row]:,.0f}"
        if feature == PUSHES:
            pushes = int(states.pushes[row])
            return f"close date pushed {_TIMES.get(pushes, f'{pushes} times')}"
        raise ValueError(f"no words for the feature {feature}")

    def _signal(self, signal: Signal, row: int) -> tuple[str, int]:
        events = self._data.signals[signal]
        first, end = (int(edge[row]) for edge in self._ranges[signal.name])
        words = signal.brick.replace("_", " ")
        if end == first:
            return f"{words}: not known from any call", -1
        values = events.value[first:end]
        on_calls = f"of {_count(len(values), 'call')}"
        if signal.kind == "num":
            text = f"{words} {plain(round(float(values.mean()), 2))} on average {on_calls}"
            text += f", last {plain(round(float(values[-1]), 2))}" if len(values) > 1 else ""
        elif signal.kind == "json":
            text = f"{words}: {plain(round(float(values.mean()), 1))} items on average {on_calls}"
        else:
            what = f"{words} is {signal.category}" if signal.category is not None else f"{words}: yes"
            text = f"{what} on {int(values.sum()) or 'none'} {on_calls}"
        return text, _showing(events, first, end, self._centres[signal])

    def _last_call(self, row: int) -> int:
        first, end = (int(edge[row]) for edge in self._calls)
        return int(self._data.calls.call[end - 1]) if end > first else -1

    def _risk_ranges(self, builder: FeatureBuilder) -> list[tuple[Signal, tuple[Ints, Ints]]]:
        return [(signal, self._ranges[signal.name]) for signal in builder.risks]

    def _newest(self, signal: Signal, row_range: tuple[Ints, Ints]) -> Floats:
        first, end = row_range
        newest = self._data.signals[signal].value[np.maximum(end - 1, 0)]
        return np.where(end > first, newest > 0, 0.0)


def _showing(events: Events, first: int, end: int, centre: float) -> int:
    """Return the newest call on the same side of the mean of all calls as the deal's own mean."""
    away = events.value[first:end] - centre
    same_side = np.flatnonzero(away * away.mean() > 0)
    place = int(same_side[-1]) if len(same_side) else end - first - 1
    return int(events.call[first + place])


def _size(row_range: tuple[Ints, Ints], row: int) -> int:
    return int(row_range[1][row] - row_range[0][row])


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}" if count else f"no {noun}"
