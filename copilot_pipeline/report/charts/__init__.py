"""The charts, drawn by matplotlib.

Each is readable without colour: cells contain their numbers, and markers differ in shape. Each is drawn for a width:
phones get a narrow version with the same numbers.
"""

from copilot_pipeline.report.charts.coaching import skill_panel, skill_panels
from copilot_pipeline.report.charts.counts import accuracy_by_week, calls_by_week
from copilot_pipeline.report.charts.coverage import coverage_map
from copilot_pipeline.report.charts.forecast import calibration_chart, forecast_by_month
from copilot_pipeline.report.charts.outcomes import driver_forest, element_outcomes_chart
from copilot_pipeline.report.charts.style import NARROW, WIDE, Draw, as_png, as_svg

__all__ = [
    "NARROW",
    "WIDE",
    "Draw",
    "accuracy_by_week",
    "as_png",
    "as_svg",
    "calibration_chart",
    "calls_by_week",
    "coverage_map",
    "driver_forest",
    "element_outcomes_chart",
    "forecast_by_month",
    "skill_panel",
    "skill_panels",
]
