"""The Dagster front source: what there is, wired together."""

import gc
from collections.abc import Iterator

import dagster as dg

from copilot_pipeline.defs.assets import ALL_ASSETS
from copilot_pipeline.defs.automation.schedules import ALL_JOBS, ALL_SCHEDULES
from copilot_pipeline.defs.automation.sensors import ALL_SENSORS
from copilot_pipeline.defs.checks import ALL_CHECKS
from copilot_pipeline.runtime import Runtime, current_runtime
from copilot_pipeline.state.locks import RUNS, AdvisoryLocks


@dg.resource(description="The pipeline's parts, made from the environment and pipeline.yaml.")
def runtime_resource(context: dg.InitResourceContext) -> Iterator[Runtime]:
    """A runtime for one run, with a claim on the run for as long as its process lives (see `PipelineRunLauncher`)."""
    with current_runtime(source="ui") as runtime, AdvisoryLocks(runtime.database.url, RUNS) as claims:
        claims.acquire([context.run_id] if context.run_id else [])
        yield runtime


defs = dg.Definitions(
    assets=ALL_ASSETS,
    asset_checks=ALL_CHECKS,
    jobs=ALL_JOBS,
    schedules=ALL_SCHEDULES,
    sensors=ALL_SENSORS,
    resources={"runtime": runtime_resource},
    # One process: steps are short, and one process means one connection pool.
    executor=dg.in_process_executor,
)

# All that is loaded by now stays until the end of the process: the collector need not look through it ever again.
gc.freeze()
