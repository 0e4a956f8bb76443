"""The pictures, drawn by matplotlib. Each can be read without colour: numbers stand in the cells, and what is good or
bad differs in shape.

Each is drawn for a width: the page shows a phone another picture than a laptop, with the same numbers.
"""

from copilot_pipeline.report.charts.coaching import skill_course, skill_courses
from copilot_pipeline.report.charts.counts import accuracy_by_week, calls_by_week
from copilot_pipeline.report.charts.coverage import coverage_map
from copilot_pipeline.report.charts.outcomes import driver_forest, element_endings
from copilot_pipeline.report.charts.style import NARROW, WIDE, Draw, as_png, as_svg

__all__ = [
    "NARROW",
    "WIDE",
    "Draw",
    "accuracy_by_week",
    "as_png",
    "as_svg",
    "calls_by_week",
    "coverage_map",
    "driver_forest",
    "element_endings",
    "skill_course",
    "skill_courses",
]
