"""How the open pipeline changed from week to week: opening + changes = closing, in each currency. Pure.

The open pipeline at a time is the sum of the amounts of the deals that were open then. Before a deal was first seen by
a refresh, its amount is unknown and taken to be the first one seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, tzinfo
from itertools import groupby

from copilot_pipeline.marts.model import monday
from copilot_pipeline.transform.deal_outcomes import DealOutcome
from copilot_pipeline.transform.deal_versions import VENDOR, DealVersion

UNKNOWN = "unknown"  # currency of amounts that name none
# The kinds of changes: a deal enters or leaves the pipeline, another amount, another close date.
NEW, REOPENED, WON, LOST, REMOVED = "new", "reopened", "won", "lost", "removed"
GROWN, SHRUNK, CURRENCY_CHANGED = "grown", "shrunk", "currency_changed"
PULLED_IN, PUSHED_OUT = "pulled_in", "pushed_out"


@dataclass(frozen=True, slots=True, kw_only=True)
class DealState:
    """A deal from a time on. `outcome` is None if it is not among the deals any more."""

    at: datetime
    stage: str | None
    outcome: DealOutcome | None
    amount: float | None
    currency: str
    close_date: date | None
    is_observed: bool

    @property
    def is_open(self) -> bool:
        """Whether the deal is part of the pipeline."""
        return self.outcome is DealOutcome.OPEN


@dataclass(slots=True, kw_only=True)
class Change:
    """The changes of one kind of a deal in a week.

    `change` and `deals_added` are their effect on the amount and the number of the open deals.
    """

    week: date
    deal_id: str
    kind: str
    currency: str
    changed_at: datetime
    stage: str | None
    amount: float | None
    change: float = 0.0
    deals_added: int = 0
    close_date_before: date | None = None
    close_date_after: date | None = None
    is_observed: bool = True


@dataclass(frozen=True, slots=True)
class Opening:
    """An open deal that existed before the first refresh, since an unknown time."""

    currency: str
    amount: float


@dataclass(frozen=True, slots=True)
class PipelineHistory:
    """The changes by week and deal, and the deals that were there before all of them."""

    openings: Sequence[Opening]
    changes: Sequence[Change]


def pipeline_history(
    versions: Iterable[DealVersion], outcomes: Mapping[str | None, DealOutcome], zone: tzinfo
) -> PipelineHistory:
    """Return what happened to the pipeline. `versions` are sorted by deal and time; `outcomes` are those of stages."""
    versions = list(versions)
    first_refresh = first_refresh_of(versions)
    openings: list[Opening] = []
    changes: list[Change] = []
    for deal_id, of_deal in groupby(versions, key=lambda version: version.deal_id):
        states = _states(list(of_deal), outcomes, zone)
        if states[0].is_open and states[0].is_observed and states[0].at == first_refresh:
            openings.append(Opening(states[0].currency, states[0].amount or 0.0))
            start: DealState | None = states[0]
            states = states[1:]
        else:
            start = None
        changes += _changes(deal_id, start, states, zone)
    return PipelineHistory(openings, changes)


def first_refresh_of(versions: Iterable[DealVersion]) -> datetime | None:
    """Return the time from which refreshes saw deals; None without any."""
    return min((version.valid_from for version in versions if version.origin != VENDOR), default=None)


def _states(
    versions: Sequence[DealVersion], outcomes: Mapping[str | None, DealOutcome], zone: tzinfo
) -> list[DealState]:
    """Return the states of a deal, with one without an outcome where it was removed."""
    first_seen = next((version for version in versions if version.origin != VENDOR), None)
    states = []
    for index, version in enumerate(versions):
        of_amount = first_seen if version.origin == VENDOR and first_seen else version
        state = DealState(
            at=version.valid_from,
            stage=version.stage,
            outcome=outcomes.get(version.stage, DealOutcome.OPEN),
            amount=of_amount.amount,
            currency=of_amount.currency or UNKNOWN,
            close_date=_day(version.close_date, zone) if version.close_date else None,
            is_observed=version.origin != VENDOR,
        )
        states.append(state)
        following = versions[index + 1] if index + 1 < len(versions) else None
        end = version.valid_to
        if state.is_open and end is not None and (following is None or end < following.valid_from):
            states.append(replace(state, at=end, outcome=None, is_observed=True))
    return states


def _day(close_date: datetime, zone: tzinfo) -> date:
    """Return the day of a close date: one without a time, which is midnight in UTC, is that day in every time zone."""
    in_utc = close_date.astimezone(UTC)
    return in_utc.date() if in_utc.timetz() == time(tzinfo=UTC) else close_date.astimezone(zone).date()


def _changes(deal_id: str, start: DealState | None, states: Sequence[DealState], zone: tzinfo) -> Iterator[Change]:
    before, was_open = start, start is not None
    by_week = groupby(states, key=lambda state: monday(state.at.astimezone(zone).date()))
    for week, of_week in by_week:
        changes = _Week(week, deal_id)
        for state in of_week:
            changes.add(before, state, was_open=was_open)
            was_open = was_open or state.is_open
            before = state
        yield from changes.merged()


class _Week:
    """Merges the changes of a deal in a week: one of each kind and currency, with their net effect."""

    def __init__(self, week: date, deal_id: str) -> None:
        self._week = week
        self._deal_id = deal_id
        self._changes: dict[tuple[str, str], Change] = {}

    def add(self, before: DealState | None, after: DealState, *, was_open: bool) -> None:
        """Add the step between two states. `was_open`: the deal was in the pipeline at any time before."""
        if before is None or not before.is_open:
            if after.is_open:
                self._put(REOPENED if was_open else NEW, after, after.currency, after.amount or 0.0, 1)
            elif before is not None and after.outcome is not None and before.outcome is not after.outcome:
                self._put(REOPENED, after, after.currency, after.amount or 0.0, 1)  # lost, then won, or the reverse
                self._leave(after)
            return
        if after.outcome is None:
            self._put(REMOVED, before, before.currency, -(before.amount or 0.0), -1, at=after)
            return
        self._change_amount(before, after)
        self._move(before, after)
        if not after.is_open:
            self._leave(after)

    def merged(self) -> Iterator[Change]:
        """Yield the changes that are left when those that cancel out are removed."""
        for (kind, _), change in self._changes.items():
            if kind == GROWN:
                if change.change:
                    change.kind = GROWN if change.change > 0 else SHRUNK
                    yield change
            elif kind == PUSHED_OUT:
                first, last = change.close_date_before, change.close_date_after
                if first is not None and last is not None and first != last:
                    change.kind = PUSHED_OUT if last > first else PULLED_IN
                    yield change
            else:
                yield change

    def _change_amount(self, before: DealState, after: DealState) -> None:
        if before.currency != after.currency:
            self._put(CURRENCY_CHANGED, before, before.currency, -(before.amount or 0.0), -1, at=after)
            self._put(CURRENCY_CHANGED, after, after.currency, after.amount or 0.0, 1)
        elif (difference := (after.amount or 0.0) - (before.amount or 0.0)) != 0:
            self._put(GROWN, after, after.currency, difference)  # or shrunk, by the sum of the week

    def _move(self, before: DealState, after: DealState) -> None:
        if before.close_date is None or after.close_date is None or before.close_date == after.close_date:
            return
        change = self._put(PUSHED_OUT, after, "", 0.0)  # or pulled in, by the first and the last date of the week
        change.currency = after.currency
        change.close_date_before = change.close_date_before or before.close_date
        change.close_date_after = after.close_date

    def _leave(self, after: DealState) -> None:
        kind = WON if after.outcome is DealOutcome.WON else LOST
        self._put(kind, after, after.currency, -(after.amount or 0.0), -1)

    def _put(
        self,
        kind: str,
        state: DealState,
        currency: str,
        effect: float,
        deals_added: int = 0,
        at: DealState | None = None,
    ) -> Change:
        change = self._changes.setdefault(
            (kind, currency),
            Change(
                week=self._week,
                deal_id=self._deal_id,
                kind=kind,
                currency=currency,
                changed_at=state.at,
                stage=state.stage,
                amount=state.amount,
            ),
        )
        change.changed_at, change.stage, change.amount = (at or state).at, state.stage, state.amount
        change.change += effect
        change.deals_added += deals_added
        change.is_observed = change.is_observed and (at or state).is_observed
        return change


def by_week(changes: Iterable[Change]) -> dict[date, list[Change]]:
    """Group changes by week."""
    weeks: defaultdict[date, list[Change]] = defaultdict(list)
    for change in changes:
        weeks[change.week].append(change)
    return weeks
