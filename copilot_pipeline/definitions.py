"""The Dagster definitions: everything that Dagster loads, wired together."""

from collections.abc import Mapping

import dagster as dg

from copilot_pipeline.defs.automation.jobs import JOBS
from copilot_pipeline.defs.automation.schedules import SCHEDULES
from copilot_pipeline.defs.automation.sensors import SENSORS
from copilot_pipeline.defs.calls import assets as calls
from copilot_pipeline.defs.checks import CHECKS
from copilot_pipeline.defs.console_logger import use_console_logger
from copilot_pipeline.defs.crm import assets as crm
from copilot_pipeline.defs.marts import assets as marts
from copilot_pipeline.defs.privacy import assets as privacy
from copilot_pipeline.defs.resources.configured import configured_resources
from copilot_pipeline.defs.scores import assets as scores
from copilot_pipeline.defs.scores import bricks


def build_definitions(resources: Mapping[str, object] | None = None) -> dg.Definitions:
    """All definitions, with the given resources in place of the configured ones of the same keys."""
    use_console_logger()
    return dg.Definitions(
        assets=dg.load_assets_from_modules([calls, scores, bricks, crm, privacy, marts]),
        asset_checks=CHECKS,
        jobs=[*JOBS],
        schedules=SCHEDULES,
        sensors=SENSORS,
        resources={**configured_resources(), **(resources or {})},
        # One process per run: steps are short, and they share one connection pool.
        executor=dg.in_process_executor,
    )


defs = build_definitions()
