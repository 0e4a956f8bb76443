"""The calls of a deal that can have influenced its outcome."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from copilot_pipeline.marts.model import Deal
from copilot_pipeline.transform.deal_outcomes import DealOutcome


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
