"""Users, topics, scorecards, deals and accounts: unpartitioned tables that are replaced as a whole.

Deals and accounts are a group of their own: they come after the calls that name them, the reference data before.
"""

from collections.abc import Callable, Iterator, Sequence

import dagster as dg

from copilot_pipeline.clients.clari.client import ClariClient
from copilot_pipeline.config.loading import Settings
from copilot_pipeline.defs.automation.conditions import HOURLY_AFTER_INPUTS
from copilot_pipeline.defs.automation.quota import requeue_when_quota_spent
from copilot_pipeline.defs.data_versions import data_version_of_snapshot
from copilot_pipeline.defs.partitions import PROBLEMS, shown
from copilot_pipeline.defs.problems import grouped
from copilot_pipeline.defs.resources.services import ClariCopilotResource, RateLimiterResource
from copilot_pipeline.defs.resources.storage import LakeResource, PostgresResource, SettingsResource
from copilot_pipeline.defs.retries import retried_when_disconnected
from copilot_pipeline.defs.runs import CLARI_POOL, source_of
from copilot_pipeline.defs.specs import OWNERS, spec
from copilot_pipeline.extract.accounts import Accounts
from copilot_pipeline.extract.crm_mirror import MirrorRead
from copilot_pipeline.extract.deals import Deals
from copilot_pipeline.extract.factory import make_accounts, make_deals, make_reference
from copilot_pipeline.extract.reference import Reference
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import (
    ACCOUNTS,
    CALLS,
    DEAL_HISTORY,
    DEALS,
    SCORECARDS,
    TOPICS,
    USER_HISTORY,
    USERS,
    Table,
)
from copilot_pipeline.postgres import Database
from copilot_pipeline.progress import Progress

Materialized = dg.MaterializeResult[None]
MakeMirror = Callable[[Settings, Database, Lake, Progress], Deals | Accounts]


def _built(
    context: dg.AssetExecutionContext, database: Database, rows: dict[Table, int], **metadata: int
) -> Iterator[Materialized]:
    """Materialize the selected ones of the tables that were written together; the version is that of the first one."""
    version = data_version_of_snapshot(database, next(iter(rows)))
    for table, count in rows.items():
        if dg.AssetKey(table.name) in context.selected_asset_keys:
            facts = {"dagster/row_count": count, **metadata}
            yield dg.MaterializeResult(asset_key=table.name, metadata=facts, data_version=version)


def _reference_asset(
    table: Table, refresh: Callable[[Reference, ClariClient], int], history: Table | None = None
) -> dg.AssetsDefinition:
    """Read the table from the vendor; `history` is written with it, whether it is selected or not."""

    @dg.multi_asset(
        name=f"{table.name}_snapshot",
        specs=[
            spec(one, group="reference", kinds=["parquet", "postgres"], partitioned=False, skippable=True)
            for one in (table, history)
            if one is not None
        ],
        pool=CLARI_POOL,
        can_subset=True,
    )
    @retried_when_disconnected
    def snapshot(
        context: dg.AssetExecutionContext,
        settings: SettingsResource,
        postgres: PostgresResource,
        lake: LakeResource,
        rate_limiter: RateLimiterResource,
        clari_copilot: ClariCopilotResource,
    ) -> Iterator[Materialized]:
        opened = lake.open(postgres.database)
        with clari_copilot.client(source_of(context.run)) as client:
            rows = {table: refresh(make_reference(settings.load(), postgres.database, opened), client)}
        if history is not None:
            rows[history] = opened.row_count(history)
        yield from _built(context, postgres.database, rows, weekly_quota_used=rate_limiter.quota().used)

    return snapshot


users = _reference_asset(USERS, Reference.refresh_users, USER_HISTORY)
topics = _reference_asset(TOPICS, Reference.refresh_topics)
scorecards = _reference_asset(SCORECARDS, Reference.refresh_scorecards)


def _mirror_asset(what: str, description: str, make: MakeMirror) -> dg.AssetsDefinition:
    """Read the records of the CRM mirror that calls are linked to."""

    @dg.asset(
        name=f"raw_{what}",
        description=description,
        deps=[CALLS.name],
        pool=CLARI_POOL,
        group_name="deals",
        kinds={"postgres"},
        owners=OWNERS,
        automation_condition=HOURLY_AFTER_INPUTS,
    )
    @retried_when_disconnected
    def mirror(
        context: dg.AssetExecutionContext,
        settings: SettingsResource,
        postgres: PostgresResource,
        lake: LakeResource,
        rate_limiter: RateLimiterResource,
        clari_copilot: ClariCopilotResource,
        progress: dg.ResourceParam[Progress],
    ) -> dg.MaterializeResult[None]:
        def read() -> Iterator[MirrorRead]:
            with clari_copilot.client(source_of(context.run)) as client:
                yield make(settings.load(), postgres.database, lake.open(postgres.database), progress).read(client)

        (report,) = requeue_when_quota_spent(context, postgres, read())
        _fail_if_unread(what, report.problems)
        return dg.MaterializeResult(
            metadata={
                f"{what}_read": report.read,
                f"{what}_missing": report.missing,
                "weekly_quota_used": rate_limiter.quota().used,
            }
        )

    return mirror


def _fail_if_unread(what: str, problems: Sequence[str]) -> None:
    if problems:
        reasons = "\n".join(shown(grouped(problems)))
        raise dg.Failure(
            f"{len(problems)} of the {what} could not be read:\n{reasons}",
            metadata={PROBLEMS: dg.MetadataValue.json(list(problems))},
        )


def _table_asset(table: Table, make: MakeMirror, history: Table | None = None) -> dg.AssetsDefinition:
    """Rebuild the table from the mirrored records, without a request. `history` is written with it."""

    @dg.multi_asset(
        name=f"{table.name}_table",
        specs=[
            spec(
                one,
                group="deals",
                kinds=["parquet", "postgres"],
                deps=[CALLS.name, f"raw_{table.name}"],
                partitioned=False,
                condition=HOURLY_AFTER_INPUTS,
                skippable=True,
            )
            for one in (table, history)
            if one is not None
        ],
        can_subset=True,
    )
    @retried_when_disconnected
    def build(
        context: dg.AssetExecutionContext,
        settings: SettingsResource,
        postgres: PostgresResource,
        lake: LakeResource,
        progress: dg.ResourceParam[Progress],
    ) -> Iterator[Materialized]:
        opened = lake.open(postgres.database)
        rows = {table: make(settings.load(), postgres.database, opened, progress).build_table()}
        if history is not None:
            rows[history] = opened.row_count(history)
        yield from _built(context, postgres.database, rows)

    return build


raw_deals = _mirror_asset(
    "deals",
    "Reads each linked deal that is new or open from Clari Copilot's CRM mirror: one request per deal.",
    make_deals,
)
raw_accounts = _mirror_asset(
    "accounts",
    "Reads each linked account that is new, or was read more than a month ago, from Clari Copilot's CRM mirror: one "
    "request per account.",
    make_accounts,
)
deals = _table_asset(DEALS, make_deals, DEAL_HISTORY)
accounts = _table_asset(ACCOUNTS, make_accounts)
