"""Deals, calls and scores as arrays: the input of the forecast. Plain values, no I/O.

Times are seconds since 1970 (UTC) as int64. Deals and calls are numbered from 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from copilot_pipeline.transform.deal_outcomes import DealOutcome

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

DAY_SECONDS = 86_400
_DEAL_SHIFT = 34  # seconds since 1970 fit into 34 bits until the year 2514


@dataclass(frozen=True, slots=True)
class Events:
    """Something that happened to deals, sorted by deal and time. Build it with `events_of`."""

    deal: Ints
    at: Ints
    value: Floats
    call: Ints  # call of each event; -1 if it is none

    def until(self, deal: Ints, at: Ints) -> tuple[Ints, Ints]:
        """Return for each pair the range (first, end) of the deal's events up to and including that time."""
        keys = _key(self.deal, self.at)
        first = np.searchsorted(keys, _key(deal, np.zeros_like(at)), side="left")
        end = np.searchsorted(keys, _key(deal, at), side="right")
        return first.astype(np.int64), end.astype(np.int64)


def _key(deal: Ints, at: Ints) -> Ints:
    return (deal << _DEAL_SHIFT) + at


def events_of(deal: Ints, at: Ints, value: Floats | None = None, call: Ints | None = None) -> Events:
    """Return events in order of deal and time; a later entry of the same time is the later event."""
    order = np.argsort(_key(deal, at), kind="stable")
    values = np.zeros(len(deal)) if value is None else value
    calls = np.full(len(deal), -1, dtype=np.int64) if call is None else call
    return Events(deal[order], at[order], values[order], calls[order])


@dataclass(frozen=True, slots=True)
class Signal:
    """What is measured on a call: a brick with numbers or yes/no, the length of its list, or one of its categories."""

    kit: str
    brick: str
    kind: str  # bool, num, json, text
    category: str | None = None  # of a text brick, in lower case

    @property
    def name(self) -> str:
        """`kit.brick`, for a category `kit.brick = category`."""
        return f"{self.kit}.{self.brick}" + (f" = {self.category}" if self.category is not None else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class DealFacts:
    """A deal as the CRM shows it now, and its recorded changes."""

    deal_id: str
    outcome: DealOutcome
    started_at: int
    closed_at: int | None  # None for open deals
    name: str | None = None
    account_name: str | None = None
    amount: float | None = None
    currency: str | None = None
    stage: str | None = None
    probability: float | None = None
    forecast_category: str | None = None
    close_date: datetime | None = None
    rep_id: str | None = None  # of most of its calls
    stages: Sequence[tuple[int, str]] = ()  # (time, stage entered), without closed stages
    pushes: Sequence[tuple[int, float]] = ()  # (time, days by which the close date was moved)


@dataclass(frozen=True, slots=True)
class LastCall:
    """The newest call of a deal."""

    call_id: str
    review_url: str | None = None
    rep_id: str | None = None
    rep_name: str | None = None
    manager_id: str | None = None
    manager_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastData:
    """Everything that the forecast is computed from."""

    deals: Sequence[DealFacts]
    calls: Events  # value: number of prospects on the call; call: its number
    own_people: Floats  # own people on each call, in the order of `calls`
    amounts: Events  # amounts of the deals as calls and refreshes saw them
    signals: Mapping[Signal, Events]
    prospects: Events  # the first call of each prospect of a deal
    covered: Events  # the first call on which a MEDDICC element is covered
    elements: int = 0  # number of MEDDICC elements
    last_calls: Mapping[int, LastCall] = field(default_factory=dict)  # of open deals
    call_ids: Mapping[int, tuple[str, str | None]] = field(default_factory=dict)  # id and page of open deals' calls
    outcome: Ints = field(init=False)  # 1 won, 0 lost, -1 open
    started_at: Ints = field(init=False)
    closed_at: Ints = field(init=False)  # -1 for open deals
    rep: Ints = field(init=False)  # number of the rep, -1 if unknown

    def __post_init__(self) -> None:
        codes = {DealOutcome.WON: 1, DealOutcome.LOST: 0, DealOutcome.OPEN: -1}
        number = np.int64
        set_field = object.__setattr__
        set_field(self, "outcome", np.array([codes[deal.outcome] for deal in self.deals], dtype=number))
        set_field(self, "started_at", np.array([deal.started_at for deal in self.deals], dtype=number))
        closed = [-1 if deal.closed_at is None else deal.closed_at for deal in self.deals]
        set_field(self, "closed_at", np.array(closed, dtype=number))
        reps = {rep: n for n, rep in enumerate(sorted({deal.rep_id for deal in self.deals if deal.rep_id is not None}))}
        set_field(self, "rep", np.array([reps.get(deal.rep_id or "", -1) for deal in self.deals], dtype=number))


NO_EVENTS = events_of(np.zeros(0, np.int64), np.zeros(0, np.int64))
