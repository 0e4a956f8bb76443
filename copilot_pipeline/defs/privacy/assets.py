"""Retention: what is older than allowed is removed every night."""

import dagster as dg

from copilot_pipeline.defs.privacy.events import remove_old_runs
from copilot_pipeline.defs.resources.storage import LakeResource, PostgresResource, SettingsResource
from copilot_pipeline.defs.retries import retried_when_disconnected
from copilot_pipeline.defs.specs import OWNERS
from copilot_pipeline.load.privacy import private_columns
from copilot_pipeline.privacy.removed_calls import RemovedCalls
from copilot_pipeline.privacy.retention import Retention
from copilot_pipeline.privacy.search import Stores


@dg.asset(
    group_name="privacy",
    owners=OWNERS,
    kinds={"parquet", "postgres"},
    description="Removes what is older than `privacy.retention` allows, and reports how much of each place.",
)
@retried_when_disconnected
def retention(
    context: dg.AssetExecutionContext, settings: SettingsResource, postgres: PostgresResource, lake: LakeResource
) -> dg.MaterializeResult[None]:
    """Each place on its own; what an interrupted run left is removed by the next one."""
    loaded, database = settings.load(), postgres.database
    limits = loaded.pipeline.privacy.retention
    files = lake.open(database)
    removed: dict[str, int] = {}
    stores = Stores(database, files.hiding(private_columns(loaded)), loaded.environment.home)
    places = Retention(limits, database, files, loaded.zone, RemovedCalls(loaded, stores))
    for place, count in places.remove():
        removed[place] = count
        context.log.info(f"{place}: {count} removed")
    if problem := places.removals().problem:
        context.log.warning(problem)
    removed["runs of Dagster"] = remove_old_runs(context.instance, limits.events)
    return dg.MaterializeResult(metadata=removed)
