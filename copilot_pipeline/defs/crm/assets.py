"""Users, topics, scorecards, deals and accounts: snapshots.

Deals and accounts are a group of their own: they come after the calls that name them, and users before.
"""

from collections.abc import Callable, Iterator

import dagster as dg

from copilot_pipeline.clients.clari import ClariClient
from copilot_pipeline.defs.automation.quota import CLARI_POOL, requeue_when_quota_spent
from copilot_pipeline.defs.partitions import OWNERS, spec
from copilot_pipeline.extract.crm_mirror import MirrorRead
from copilot_pipeline.load.tables import ACCOUNTS, CALLS, DEALS, SCORECARDS, TOPICS, USERS, Table
from copilot_pipeline.runtime import Runtime

SOURCE = "reference"


def _snapshot(table: Table, refresh: Callable[[Runtime, ClariClient], int]) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=f"{table.name}_snapshot",
        specs=[spec(table, group="reference", kinds=["parquet", "postgres"], partitioned=False)],
        pool=CLARI_POOL,
    )
    def snapshot(context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]) -> dg.MaterializeResult[None]:
        with runtime.clari(SOURCE) as client:
            rows = refresh(runtime, client)
        return dg.MaterializeResult(asset_key=table.name, metadata={"dagster/row_count": rows})

    return snapshot


users = _snapshot(USERS, lambda runtime, client: runtime.reference.refresh_users(client))
topics = _snapshot(TOPICS, lambda runtime, client: runtime.reference.refresh_topics(client))
scorecards = _snapshot(SCORECARDS, lambda runtime, client: runtime.reference.refresh_scorecards(client))


def _mirrored(what: str, description: str, read: Callable[[Runtime, ClariClient], MirrorRead]) -> dg.AssetsDefinition:
    """The records of the CRM mirror that calls are linked to."""

    @dg.asset(
        name=f"raw_{what}",
        description=description,
        deps=[CALLS.name],
        pool=CLARI_POOL,
        group_name="deals",
        kinds={"postgres"},
        owners=OWNERS,
    )
    def mirrored(context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]) -> dg.MaterializeResult[None]:
        def reading() -> Iterator[MirrorRead]:
            with runtime.clari(SOURCE) as client:
                yield read(runtime, client)

        (report,) = requeue_when_quota_spent(context, runtime, reading())
        if report.problems:
            runtime.problems.extend(report.problems)
            shown = "\n".join(report.problems[:20])
            raise dg.Failure(f"{len(report.problems)} of the {what} could not be read:\n{shown}")
        return dg.MaterializeResult(metadata={f"{what}_read": report.read, f"{what}_missing": report.missing})

    return mirrored


def _tabulated(table: Table, tabulate: Callable[[Runtime], int]) -> dg.AssetsDefinition:
    """The table made of them: no request."""

    @dg.multi_asset(
        name=f"{table.name}_table",
        specs=[
            spec(
                table,
                group="deals",
                kinds=["parquet", "postgres"],
                deps=[CALLS.name, f"raw_{table.name}"],
                partitioned=False,
            )
        ],
    )
    def tabulated(runtime: dg.ResourceParam[Runtime]) -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(asset_key=table.name, metadata={"dagster/row_count": tabulate(runtime)})

    return tabulated


raw_deals = _mirrored(
    "deals",
    "Reads each linked deal that is new or open from the CRM mirror: one request a deal.",
    lambda runtime, client: runtime.deals.read(client),
)
raw_accounts = _mirrored(
    "accounts",
    "Reads each linked account that is new from the CRM mirror, and again after a month: one request an account.",
    lambda runtime, client: runtime.accounts.read(client),
)
deals = _tabulated(DEALS, lambda runtime: runtime.deals.tabulate())
accounts = _tabulated(ACCOUNTS, lambda runtime: runtime.accounts.tabulate())
