"""The report's pictures for the Dagster UI: Markdown with the picture in it."""

from __future__ import annotations

from base64 import b64encode
from datetime import date

from copilot_pipeline.load.tables import (
    CLAIM_ACCURACY,
    COACHING_SCORES,
    MEDDICC_OUTCOMES,
    MEDDICC_SUMMARY,
    WIN_LOSS_DRIVERS,
)
from copilot_pipeline.report import charts
from copilot_pipeline.report.queries import ReportQueries

_MOST_COURSES = 12


def preview(reading: ReportQueries, table: str, today: date) -> str | None:
    """The picture of a mart; None where it has none, or nothing to show."""
    draw = _picture(reading, table, today)
    if draw is None:
        return None
    return f"![{table}](data:image/png;base64,{b64encode(charts.as_png(draw)).decode()})"


def _picture(reading: ReportQueries, table: str, today: date) -> charts.Draw | None:
    if table == MEDDICC_SUMMARY.name:
        coverage = reading.coverage_by_week(today)
        return charts.coverage_map(coverage, are_weeks=True) if coverage else None
    if table == MEDDICC_OUTCOMES.name:
        endings = reading.endings()
        return charts.element_endings(endings) if endings else None
    if table == COACHING_SCORES.name:
        courses = reading.courses()[:_MOST_COURSES]
        return charts.skill_courses(courses) if courses else None
    if table == CLAIM_ACCURACY.name:
        accuracy = reading.accuracy(today)
        return charts.accuracy_by_week(accuracy) if accuracy else None
    if table == WIN_LOSS_DRIVERS.name:
        drivers = reading.drivers()
        return charts.driver_forest(drivers) if drivers else None
    return None
