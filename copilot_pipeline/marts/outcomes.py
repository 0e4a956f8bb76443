"""The calls of a deal that can have influenced its outcome."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Protocol, TypeVar

import numpy as np

from copilot_pipeline.marts.call_columns import Mask, Numbers
from copilot_pipeline.marts.model import Deal
from copilot_pipeline.transform.deal_outcomes import DealOutcome

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEVER = np.iinfo(np.int64).max


class _Started(Protocol):
    @property
    def started_at(self) -> datetime: ...


Call = TypeVar("Call", bound=_Started)


def before_close(deal: Deal, calls: Sequence[Call]) -> Sequence[Call]:
    """Return the calls that started before the deal closed; all of them for an open deal.

    Uses the CRM's stage history, else the close date. The close date is often an estimate that was never corrected:
    if every call is later than it, it is ignored.
    """
    if deal.outcome is DealOutcome.OPEN:
        return calls
    if deal.closed_at is not None:
        return [call for call in calls if call.started_at <= deal.closed_at]
    if deal.close_date is not None:
        return [call for call in calls if call.started_at.date() <= deal.close_date.date()] or calls
    return calls


def is_before_close(deals: Sequence[Deal | None], of_deal: Numbers, started: Numbers) -> Mask:
    """Return which calls started before their deal closed, by the rule of `before_close`.

    `of_deal` are the positions of the deals of the calls, `started` the microseconds since 1970 at which they started.
    """
    limits = np.array([_limit(deal) for deal in deals], dtype=np.int64)
    before: Mask = started <= limits[of_deal]
    # Without any call before its close date, all calls of the deal count.
    is_estimate = np.array([deal is not None and deal.closed_at is None for deal in deals], dtype=np.bool_)
    has_call = np.bincount(of_deal[before], minlength=len(deals)) > 0
    return before | (is_estimate & ~has_call)[of_deal]


def _limit(deal: Deal | None) -> int:
    """Return the last microsecond that counts."""
    if deal is None or deal.outcome is DealOutcome.OPEN:
        return _NEVER
    if deal.closed_at is not None:
        return _microseconds(deal.closed_at)
    if deal.close_date is not None:
        day = datetime.combine(deal.close_date.date(), time(), UTC)
        return _microseconds(day + timedelta(days=1)) - 1
    return _NEVER


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
