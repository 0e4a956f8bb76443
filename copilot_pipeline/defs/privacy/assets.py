"""Retention: what is older than allowed is removed every night."""

import dagster as dg

from copilot_pipeline.config.loading import Settings
from copilot_pipeline.defs.privacy.events import remove_old_runs
from copilot_pipeline.defs.resources.storage import LakeResource, PostgresResource, SettingsResource
from copilot_pipeline.defs.retries import retried_when_disconnected
from copilot_pipeline.defs.specs import OWNERS
from copilot_pipeline.extract.factory import make_call_tables
from copilot_pipeline.extract.raw_partitions import RawPartitionWriter
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.postgres import Database
from copilot_pipeline.privacy.removed_calls import RemovedCalls
from copilot_pipeline.privacy.retention import Retention
from copilot_pipeline.score.factory import make_score_tables
from copilot_pipeline.state import CallStore


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
    places = Retention(limits, database, files, loaded.zone, _removed_calls(loaded, database, files))
    for place, count in places.remove():
        removed[place] = count
        context.log.info(f"{place}: {count} removed")
    removed["runs of Dagster"] = remove_old_runs(context.instance, limits.events)
    return dg.MaterializeResult(metadata=removed)


def _removed_calls(settings: Settings, database: Database, lake: Lake) -> RemovedCalls:
    calls = CallStore(database, settings.zone)
    return RemovedCalls(
        database,
        RawPartitionWriter(lake, calls, settings.environment.clari_copilot_dialect),
        make_call_tables(settings, database, lake),
        make_score_tables(settings, database, lake),
    )
