"""The rows of the marts about deals over time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import NamedTuple

from copilot_pipeline.load.tables import PIPELINE_CHANGES, PIPELINE_WATERFALL


class PipelineChangeRow(NamedTuple):
    """A row of `pipeline_changes`."""

    week: date
    deal_id: str
    kind: str
    currency: str
    deal_name: str | None
    account_name: str | None
    changed_at: datetime
    stage: str | None
    amount: float | None
    change: float
    close_date_before: date | None
    close_date_after: date | None
    days_moved: int | None
    is_observed: bool
    calls: int
    call_ids: list[str]
    quotes: list[str]
    sentence: str


class WaterfallRow(NamedTuple):
    """A row of `pipeline_waterfall`."""

    week: date
    currency: str
    step: str
    position: int
    deals: int
    amount: float
    is_observed: bool
    is_complete: bool


# The row type of each table; its fields are the columns of the table, in order.
HISTORY_ROWS: Mapping[str, type[tuple[object, ...]]] = {
    PIPELINE_CHANGES.name: PipelineChangeRow,
    PIPELINE_WATERFALL.name: WaterfallRow,
}
