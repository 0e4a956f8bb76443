"""The report: what the answers say, as one HTML file for a sales leader, and its pictures for the Dagster UI."""

from copilot_pipeline.report.headlines import headlines
from copilot_pipeline.report.page import render
from copilot_pipeline.report.previews import preview
from copilot_pipeline.report.queries import ReportQueries

__all__ = ["ReportQueries", "headlines", "preview", "render"]
