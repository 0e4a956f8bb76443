"""Checks of the marts about deals over time."""

import dagster as dg

from copilot_pipeline.defs.counted_checks import CountedCheck
from copilot_pipeline.load.tables import PIPELINE_WATERFALL
from copilot_pipeline.postgres.queries import load_queries

_SQL = load_queries(__package__, "checks.sql")

pipeline_adds_up = CountedCheck(
    "pipeline_adds_up",
    PIPELINE_WATERFALL.name,
    "In each week and currency, opening + changes = closing, and the closing is the opening of the next week.",
    _SQL["pipeline_differences"],
    severity=dg.AssetCheckSeverity.ERROR,
)

MART_CHECKS = [pipeline_adds_up.definition()]
