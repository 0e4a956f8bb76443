"""The rows of the forecast's tables."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import NamedTuple

from copilot_pipeline.load.tables import DEAL_FORECAST, FORECAST_ACCURACY, FORECAST_SUMMARY, FORECAST_TRACK_RECORD
from copilot_pipeline.transform.deal_outcomes import DealOutcome


class DealForecastRow(NamedTuple):
    """A row of `deal_forecast`."""

    deal_id: str
    deal_name: str | None
    account_name: str | None
    rep_id: str | None
    rep_name: str | None
    manager_id: str | None
    stage: str | None
    forecast_category: str | None
    close_date: datetime | None
    amount: float | None
    currency: str | None
    crm_probability: float | None
    win_probability: float | None
    win_low: float | None
    win_high: float | None
    basis: str
    model_probability: float | None
    stage_win_rate: float | None
    base_rate: float | None
    reasons: list[str]
    reason_details: str | None
    note: str
    age_days: float
    calls: int
    days_since_last_call: float | None
    last_call_id: str | None
    last_call_url: str | None
    trained_on: int
    made_on: date


class ForecastSummaryRow(NamedTuple):
    """A row of `forecast_summary`."""

    grain: str
    grain_id: str
    grain_name: str | None
    close_month: str
    currency: str
    deals: int
    deals_without_amount: int
    deals_without_probability: int
    pipeline: float
    stage_weighted: float | None
    forecast: float | None
    forecast_low: float | None
    forecast_high: float | None
    wins: float | None
    commit: float
    best_case: float
    month_effect: float | None


class TrackRecordRow(NamedTuple):
    """A row of `forecast_track_record`; without its outcome and its scores it is that of an open deal."""

    source: str
    made_on: date
    deal_id: str
    stage: str | None
    amount: float | None
    currency: str | None
    close_date: datetime | None
    win_probability: float | None
    win_low: float | None
    win_high: float | None
    basis: str
    model_probability: float | None
    stage_win_rate: float | None
    base_rate: float | None
    outcome: str = DealOutcome.OPEN.value
    closed_on: date | None = None
    brier: float | None = None
    model_brier: float | None = None
    stage_brier: float | None = None
    base_brier: float | None = None


class ForecastAccuracyRow(NamedTuple):
    """A row of `forecast_accuracy`."""

    source: str
    decile: str
    forecasts: int
    deals: int
    mean_forecast: float
    won: int
    share: float | None
    share_low: float | None
    share_high: float | None
    model_brier: float | None
    stage_brier: float | None
    base_brier: float | None
    gain_over_stage: float | None
    gain_over_stage_low: float | None
    gain_over_stage_high: float | None
    gain_over_base: float | None
    gain_over_base_low: float | None
    gain_over_base_high: float | None
    verdict: str | None
    sentence: str | None
    first_made_on: date | None
    last_made_on: date | None


# The row type of each table; its fields are the columns of the table, in order.
FORECAST_ROWS: Mapping[str, type[tuple[object, ...]]] = {
    DEAL_FORECAST.name: DealForecastRow,
    FORECAST_SUMMARY.name: ForecastSummaryRow,
    FORECAST_TRACK_RECORD.name: TrackRecordRow,
    FORECAST_ACCURACY.name: ForecastAccuracyRow,
}
