"""The report's charts for the Dagster UI, as Markdown with an embedded PNG."""

from __future__ import annotations

from base64 import b64encode
from datetime import date

from copilot_pipeline.load.tables import (
    CLAIM_ACCURACY,
    COACHING_SCORES,
    FORECAST_ACCURACY,
    FORECAST_SUMMARY,
    MEDDICC_OUTCOMES,
    MEDDICC_SUMMARY,
    WIN_LOSS_DRIVERS,
)
from copilot_pipeline.report import charts
from copilot_pipeline.report.groups import shown_drivers, without_complements
from copilot_pipeline.report.queries import ReportQueries

_MAX_PANELS = 12


def preview(queries: ReportQueries, table: str, today: date) -> str | None:
    """Return the chart of a mart; None if it has none, or no rows to draw."""
    draw = _chart(queries, table, today)
    if draw is None:
        return None
    return f"![{table}](data:image/png;base64,{b64encode(charts.as_png(draw)).decode()})"


def _chart(queries: ReportQueries, table: str, today: date) -> charts.Draw | None:
    if table == MEDDICC_SUMMARY.name:
        coverage = queries.coverage_by_week(today)
        return charts.coverage_map(coverage, are_weeks=True) if coverage else None
    if table == MEDDICC_OUTCOMES.name:
        outcomes = queries.element_outcomes()
        return charts.element_outcomes_chart(outcomes) if outcomes else None
    if table == COACHING_SCORES.name:
        series = queries.skill_series()[:_MAX_PANELS]
        return charts.skill_panels(series) if series else None
    if table == CLAIM_ACCURACY.name:
        accuracy = queries.accuracy(today)
        return charts.accuracy_by_week(accuracy) if accuracy else None
    if table == FORECAST_SUMMARY.name:
        forecast = queries.forecast()
        return charts.forecast_by_month(forecast.months_in(forecast.currencies[0])) if forecast.currencies else None
    if table == FORECAST_ACCURACY.name:
        forecast = queries.forecast()
        return charts.calibration_chart(forecast.deciles) if forecast.deciles else None
    if table == WIN_LOSS_DRIVERS.name:
        drivers = shown_drivers(without_complements(queries.drivers()))
        return charts.driver_forest(drivers) if drivers else None
    return None
