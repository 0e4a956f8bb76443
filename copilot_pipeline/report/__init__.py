"""The weekly report: one HTML file for sales leaders, and its charts for the Dagster UI."""

from copilot_pipeline.report.headlines import forecast_lines, headlines
from copilot_pipeline.report.page import render
from copilot_pipeline.report.previews import preview
from copilot_pipeline.report.queries import ReportQueries

__all__ = ["ReportQueries", "forecast_lines", "headlines", "preview", "render"]
