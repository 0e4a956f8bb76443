"""Users, topics, scorecards and deals: snapshots.

Deals are a group of their own: they come after the calls that name them, and users before.
"""

from collections.abc import Callable, Iterator

import dagster as dg

from copilot_pipeline.assets.partitions import OWNERS, spec
from copilot_pipeline.assets.waiting import giving_back
from copilot_pipeline.clari import ClariClient
from copilot_pipeline.runtime import Runtime
from copilot_pipeline.steps.deals import DealsRead
from copilot_pipeline.tables import CALLS, DEALS, SCORECARDS, TOPICS, USERS, Table

DOOR = "reference"


def _snapshot(table: Table, refresh: Callable[[Runtime, ClariClient], int]) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=f"{table.name}_snapshot",
        specs=[spec(table, group="reference", kinds=["parquet", "postgres"], partitioned=False)],
        pool="clari_copilot",
    )
    def snapshot(context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]) -> dg.MaterializeResult[None]:
        with runtime.clari(DOOR) as client:
            rows = refresh(runtime, client)
        return dg.MaterializeResult(asset_key=table.name, metadata={"dagster/row_count": rows})

    return snapshot


users = _snapshot(USERS, lambda runtime, client: runtime.reference.refresh_users(client))
topics = _snapshot(TOPICS, lambda runtime, client: runtime.reference.refresh_topics(client))
scorecards = _snapshot(SCORECARDS, lambda runtime, client: runtime.reference.refresh_scorecards(client))


@dg.asset(
    description="Reads each linked deal that is new or open from the CRM mirror: one request a deal.",
    deps=[CALLS.name],
    pool="clari_copilot",
    group_name="deals",
    kinds={"postgres"},
    owners=OWNERS,
)
def raw_deals(context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]) -> dg.MaterializeResult[None]:
    """Reads deals."""
    (report,) = giving_back(context, runtime, _read_deals(runtime))
    if report.problems:
        runtime.problems.extend(report.problems)
        raise dg.Failure(f"{len(report.problems)} deal(s) could not be read:\n" + "\n".join(report.problems[:20]))
    return dg.MaterializeResult(metadata={"deals_read": report.read, "deals_missing": report.missing})


def _read_deals(runtime: Runtime) -> Iterator[DealsRead]:
    with runtime.clari(DOOR) as client:
        yield runtime.deals.read(client)


@dg.multi_asset(
    specs=[spec(DEALS, group="deals", kinds=["parquet", "postgres"], deps=[CALLS.name, "raw_deals"], partitioned=False)]
)
def deals(runtime: dg.ResourceParam[Runtime]) -> dg.MaterializeResult[None]:
    """Makes the deals table: no request."""
    return dg.MaterializeResult(asset_key=DEALS.name, metadata={"dagster/row_count": runtime.deals.tabulate()})
