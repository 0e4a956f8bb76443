"""The versions of a deal before it was first seen, from the CRM's own history of stages and close dates. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from copilot_pipeline.clients.clari.decoding import moment
from copilot_pipeline.transform.deal_outcomes import entries_of, moment_of

VENDOR = "vendor"


@dataclass(frozen=True, slots=True, kw_only=True)
class DealOfCrm:
    """A deal as the CRM has it now, and the CRM's histories as JSON; None where it keeps none.

    `seen_at` is the time of this refresh, `first_seen_at` that of the first one that saw the deal.
    """

    deal_id: str
    stage: str | None
    close_date: datetime | None
    created_at: datetime | None
    stage_history: str | None
    close_date_history: str | None
    first_seen_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DealVersion:
    """A row of `deal_history`."""

    deal_id: str
    valid_from: datetime
    valid_to: datetime | None
    stage: str | None
    amount: float | None
    currency: str | None
    close_date: datetime | None
    owner_crm_id: str | None
    forecast_category: str | None
    probability: float | None
    origin: str
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class _Change:
    """A field's values before and after a time."""

    at: datetime
    before: Any
    after: Any


def versions_before(deal: DealOfCrm) -> list[DealVersion]:
    """Return the versions from the deal's creation to the refresh that saw it first; none if the CRM keeps no history.

    They know stage and close date only. A field without a recorded change had its present value all the time, if the
    CRM keeps a history of it.
    """
    stages = _stage_changes(deal)
    close_dates = _close_date_changes(deal)
    if deal.stage_history is None and deal.close_date_history is None:
        return []
    changed_at = {change.at for change in (*stages, *close_dates)}
    if deal.created_at is not None:
        changed_at.add(min([deal.created_at, *changed_at]))
    starts = sorted(at for at in changed_at if at < deal.first_seen_at)
    versions: list[DealVersion] = []
    for start, end in pairwise([*starts, deal.first_seen_at]):
        stage = _value_at(start, stages, deal.stage if deal.stage_history is not None else None)
        close_date = _value_at(start, close_dates, deal.close_date if deal.close_date_history is not None else None)
        if versions and (versions[-1].stage, versions[-1].close_date) == (stage, close_date):
            versions[-1] = _version(deal, versions[-1].valid_from, end, stage, close_date)
        else:
            versions.append(_version(deal, start, end, stage, close_date))
    return versions


def _version(
    deal: DealOfCrm, start: datetime, end: datetime, stage: str | None, close_date: datetime | None
) -> DealVersion:
    return DealVersion(
        deal_id=deal.deal_id,
        valid_from=start,
        valid_to=end,
        stage=stage,
        amount=None,
        currency=None,
        close_date=close_date,
        owner_crm_id=None,
        forecast_category=None,
        probability=None,
        origin=VENDOR,
        seen_at=deal.seen_at,
    )


def _stage_changes(deal: DealOfCrm) -> list[_Change]:
    return _sorted(
        _Change(at, _text(entry.get("prev_stage")), stage)
        for entry in entries_of(deal.stage_history)
        if (stage := _text(entry.get("stage"))) is not None and (at := moment_of(entry.get("date_changed"))) is not None
    )


def _close_date_changes(deal: DealOfCrm) -> list[_Change]:
    return _sorted(
        _Change(at, moment(entry.get("prev_close_date")), close_date)
        for entry in entries_of(deal.close_date_history)
        if (close_date := moment(entry.get("close_date"))) is not None
        and (at := moment_of(entry.get("date_changed"))) is not None
    )


def _sorted(changes: Iterable[_Change]) -> list[_Change]:
    return sorted(changes, key=lambda change: change.at)


def _value_at(at: datetime, changes: Sequence[_Change], unchanged: Any) -> Any:
    """Return the value of a field from a time on; `unchanged` if it never changed."""
    earlier = [change for change in changes if change.at <= at]
    if earlier:
        return earlier[-1].after
    return changes[0].before if changes else unchanged


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
