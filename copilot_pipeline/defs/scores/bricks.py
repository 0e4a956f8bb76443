"""bricks: what the kits' schemas say about their bricks."""

from datetime import UTC, datetime

import dagster as dg

from copilot_pipeline.clients.http import RetryPolicy
from copilot_pipeline.defs.resources.services import SemarizeResource
from copilot_pipeline.defs.resources.storage import LakeResource, PostgresResource, SettingsResource
from copilot_pipeline.defs.retries import retried_when_disconnected
from copilot_pipeline.defs.specs import spec
from copilot_pipeline.errors import PipelineError
from copilot_pipeline.load.tables import BRICKS
from copilot_pipeline.score.factory import make_bricks


@dg.multi_asset(
    name="bricks_snapshot",
    specs=[spec(BRICKS, group="reference", kinds=["parquet", "postgres"], partitioned=False)],
)
@retried_when_disconnected
def bricks(
    context: dg.AssetExecutionContext,
    settings: SettingsResource,
    postgres: PostgresResource,
    lake: LakeResource,
    semarize: SemarizeResource,
) -> dg.MaterializeResult[None]:
    """Read the schema of each kit, one request each, unless it was read less than 20 hours ago.

    Nothing fails if one cannot be read: only labels are missing.
    """
    loaded = settings.load()
    opened = lake.open(postgres.database)
    table = make_bricks(loaded, postgres.database, opened)
    if table.is_current(datetime.now(UTC)):
        return dg.MaterializeResult(asset_key=BRICKS.name, metadata={"dagster/row_count": opened.row_count(BRICKS)})
    try:
        if not loaded.pipeline.kits:
            rows, warnings = table.refresh(None)
        else:
            with semarize.client(RetryPolicy(attempts=2)) as client:
                rows, warnings = table.refresh(client)
    except PipelineError as error:
        context.log.warning(f"bricks stay as they were: {error}")
        return dg.MaterializeResult(asset_key=BRICKS.name, metadata={"kits_not_read": len(loaded.pipeline.kits)})
    for warning in warnings:
        context.log.warning(warning)
    return dg.MaterializeResult(
        asset_key=BRICKS.name, metadata={"dagster/row_count": rows, "kits_not_read": len(warnings)}
    )
