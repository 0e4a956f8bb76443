"""What was known about deals at a past time: stage, amount and moves of the close date.

The vendor keeps the changes of stage and close date, calls show the stage and amount of their time, and `deal_history`
has what refreshes saw. The reader turns all of them into events; nothing here depends on where they come from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from copilot_pipeline.marts.forecast.data import DAY_SECONDS, Events, Floats, ForecastData, Ints, events_of

UNKNOWN_STAGE = "unknown"


@dataclass(frozen=True, slots=True)
class DealStates:
    """The states of some deals at some times, one entry per pair of deal and time."""

    stage: Ints  # number of the stage in `DealPast.stages`
    days_in_stage: Floats  # nan if the stage is unknown
    amount: Floats  # nan if unknown
    pushes: Ints  # moves of the close date to a later day so far
    days_pushed: Floats  # sum of all moves so far


class DealPast:
    """Answers what deals looked like at a time, from their events up to that time."""

    def __init__(self, data: ForecastData) -> None:
        self._data = data
        names = sorted({stage for deal in data.deals for _, stage in deal.stages})
        self.stages = [UNKNOWN_STAGE, *(name for name in names if name != UNKNOWN_STAGE)]
        numbers = {name: number for number, name in enumerate(self.stages)}
        self._stage_events = _events(
            (number, at, float(numbers[stage])) for number, deal in enumerate(data.deals) for at, stage in deal.stages
        )
        self._push_events = _events(
            (number, at, days) for number, deal in enumerate(data.deals) for at, days in deal.pushes
        )
        self._amounts = np.array([deal.amount if deal.amount else np.nan for deal in data.deals], dtype=np.float64)

    def deal_as_of(self, deal: Ints, at: Ints) -> DealStates:
        """Return the state of each deal at its time. Nothing that was recorded later is used.

        The amount is the newest that a call or a refresh saw by then, else the present one: the vendor keeps no history
        of amounts. An amount of 0 is unknown: CRMs set it when a deal is lost.
        """
        first, end = self._stage_events.until(deal, at)
        has_stage = end > first
        newest = np.maximum(end - 1, 0)
        stage = np.zeros(len(deal), np.int64)
        days_in_stage = np.full(len(deal), np.nan)
        if has_stage.any():
            stage[has_stage] = self._stage_events.value[newest[has_stage]].astype(np.int64)
            days_in_stage[has_stage] = (at - self._stage_events.at[newest])[has_stage] / DAY_SECONDS
        pushes, days_pushed = self._pushes(deal, at)
        return DealStates(stage, days_in_stage, self._amount(deal, at), pushes, days_pushed)

    def _amount(self, deal: Ints, at: Ints) -> Floats:
        of_calls = self._data.amounts
        first, end = of_calls.until(deal, at)
        amounts = self._amounts[deal] if len(self._amounts) else np.zeros(0)
        known = end > first
        amounts[known] = of_calls.value[end[known] - 1]
        return np.where(amounts > 0, amounts, np.nan)

    def _pushes(self, deal: Ints, at: Ints) -> tuple[Ints, Floats]:
        first, end = self._push_events.until(deal, at)
        later = np.concatenate([[0], np.cumsum(self._push_events.value > 0)])
        moved = np.concatenate([[0.0], np.cumsum(self._push_events.value)])
        return (later[end] - later[first]).astype(np.int64), moved[end] - moved[first]


def _events(rows: object) -> Events:
    listed = list(rows)  # type: ignore[call-overload]
    deal = np.array([row[0] for row in listed], dtype=np.int64)
    at = np.array([row[1] for row in listed], dtype=np.int64)
    return events_of(deal, at, np.array([row[2] for row in listed], dtype=np.float64))
