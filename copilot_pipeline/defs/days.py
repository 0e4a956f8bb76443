"""The definitions that a command needs to process a range of days: the assets and checks from the list to the scores.

They are a part of `definitions.py` and give the same runs. Marts, schedules and sensors are not imported.
"""

import dagster as dg

from copilot_pipeline.defs.calls import assets as calls
from copilot_pipeline.defs.calls.checks import CALL_CHECKS
from copilot_pipeline.defs.console_logger import use_console_logger
from copilot_pipeline.defs.crm import assets as crm
from copilot_pipeline.defs.crm.checks import CRM_CHECKS
from copilot_pipeline.defs.resources.configured import configured_resources
from copilot_pipeline.defs.scores import assets as scores
from copilot_pipeline.defs.scores import bricks
from copilot_pipeline.defs.scores.checks import SCORE_CHECKS
from copilot_pipeline.progress import NoProgress, Progress


def definitions_of_days(progress: Progress | None = None) -> dg.Definitions:
    """The definitions, showing the progress of runs with `progress`."""
    use_console_logger()
    return dg.Definitions(
        assets=dg.load_assets_from_modules([calls, scores, bricks, crm]),
        asset_checks=[*CALL_CHECKS, *CRM_CHECKS, *SCORE_CHECKS],
        resources={**configured_resources(), "progress": progress or NoProgress()},
        executor=dg.in_process_executor,
    )
