"""raw_call_details, and the call tables made from it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import dagster as dg

from copilot_pipeline.clients.weekly_quota import WeeklyQuota
from copilot_pipeline.defs.automation.quota import add_pending_calls, requeue_when_quota_spent
from copilot_pipeline.defs.data_versions import RebuildConfig, data_version_of, data_version_of_raw
from copilot_pipeline.defs.measurements import log_day
from copilot_pipeline.defs.partitions import DAYS, PROBLEMS, PartitionReporter, days_of, fail_if
from copilot_pipeline.defs.resources.services import ClariCopilotResource, RateLimiterResource
from copilot_pipeline.defs.resources.storage import LakeResource, PostgresResource, SettingsResource
from copilot_pipeline.defs.retries import retried_when_disconnected
from copilot_pipeline.defs.runs import CLARI_POOL, DAYS_PER_RUN, REBUILT_DAYS_PER_RUN, requested_at, source_of
from copilot_pipeline.defs.specs import OWNERS, column_schema, spec
from copilot_pipeline.extract.factory import open_extraction
from copilot_pipeline.extract.parallel_rebuild import CallTableRebuild
from copilot_pipeline.extract.window import DayReport
from copilot_pipeline.load.call_tables import LoadedCallTables
from copilot_pipeline.load.inputs import CALL_TABLE_CODE, code_version
from copilot_pipeline.load.tables import CALL_TABLES, RAW_CALL_DETAILS, USERS, Table
from copilot_pipeline.progress import Progress
from copilot_pipeline.state import Backfills


@dg.asset(
    name=RAW_CALL_DETAILS.name,
    description=RAW_CALL_DETAILS.description
    + " A day that is complete costs one list request; a call is fetched again only if its version changed.",
    partitions_def=DAYS,
    backfill_policy=dg.BackfillPolicy.multi_run(DAYS_PER_RUN),
    pool=CLARI_POOL,
    group_name="raw",
    kinds={"parquet"},
    owners=OWNERS,
    metadata={"dagster/column_schema": column_schema(RAW_CALL_DETAILS)},
)
@retried_when_disconnected
def raw_call_details(
    context: dg.AssetExecutionContext,
    settings: SettingsResource,
    postgres: PostgresResource,
    lake: LakeResource,
    rate_limiter: RateLimiterResource,
    clari_copilot: ClariCopilotResource,
    progress: dg.ResourceParam[Progress],
) -> dg.MaterializeResult[None]:
    """List the days, fetch the details of new and changed calls, store the days."""
    days, source, database = days_of(context), source_of(context.run), postgres.database
    problems: dict[date, list[str]] = {}
    complete: list[date] = []
    with (
        _load_complete_days_later(context, postgres, complete),
        PartitionReporter(context, days) as reporter,
        clari_copilot.client(source) as client,
        open_extraction(
            settings.load(),
            client,
            database,
            lake.open(postgres.database),
            rate_limiter.limits,
            source=source,
            progress=progress,
        ) as extraction,
    ):
        reports = extraction.run(days, since=requested_at(context, Backfills(database)))
        for report in requeue_when_quota_spent(context, postgres, reports):
            log_day(context, progress, report.describe())
            if report.problems:
                problems[report.day] = report.problems
                continue
            reporter.add(report.day, [(RAW_CALL_DETAILS, _facts_of_raw(report))])
            complete.append(report.day)
        fail_if(problems, "raw_call_details")
    return dg.MaterializeResult(
        metadata=_facts_of_quota(rate_limiter.quota()), data_version=data_version_of_raw(database, days)
    )


def _facts_of_raw(report: DayReport) -> dict[str, int]:
    return {
        "dagster/partition_row_count": report.stored.calls if report.stored else 0,
        "details_fetched": report.fetched,
        "quarantined": report.quarantined,
        "bytes_were_missing": report.lost,
    }


def _facts_of_quota(quota: WeeklyQuota) -> dict[str, int | dg.MetadataValue[float]]:
    return {
        "weekly_quota_used": quota.used,
        "weekly_quota_left": max(0, quota.limit - quota.used),
        "weekly_quota_resets_at": dg.MetadataValue.timestamp(quota.resets_at),
    }


@contextmanager
def _load_complete_days_later(
    context: dg.AssetExecutionContext, postgres: PostgresResource, complete: Sequence[date]
) -> Iterator[None]:
    """If the step fails, Dagster skips its downstream tables even for complete days: load those incrementally."""
    try:
        yield
    except dg.Failure:
        add_pending_calls(context, postgres.database, complete)
        raise


@dg.multi_asset(
    specs=[
        spec(
            table,
            group="calls",
            kinds=["parquet", "postgres"],
            deps=[RAW_CALL_DETAILS.name, USERS.name],
            code_version=code_version(CALL_TABLE_CODE),
        )
        for table in CALL_TABLES
    ],
    can_subset=True,  # any of them may be selected in the UI; all are written, in one transaction
    backfill_policy=dg.BackfillPolicy.multi_run(REBUILT_DAYS_PER_RUN),
)
@retried_when_disconnected
def call_tables(
    context: dg.AssetExecutionContext,
    config: RebuildConfig,
    settings: SettingsResource,
    postgres: PostgresResource,
    lake: LakeResource,
    progress: dg.ResourceParam[Progress],
) -> Iterator[dg.MaterializeResult[None]]:
    """Rebuild calls, participants, transcripts, utterances and mentions from stored bodies, without a request.

    A day is rebuilt only if what it is made from has changed.
    """
    days = days_of(context)
    selected = {key.to_user_string() for key in context.selected_asset_keys}
    tables = CallTableRebuild(settings.load(), postgres.database, lake.open(postgres.database), force=config.force)
    to_build = tables.days_to_build(days)
    progress.expect("days loaded", len(to_build))
    problems: dict[date, list[str]] = {}
    versions: dict[date, str | None] = {}
    with PartitionReporter(context, days) as reporter:
        for loaded in tables.build(to_build):
            progress.advance("days loaded")
            if loaded.problem is not None:
                problems[loaded.day] = [loaded.problem]
                continue
            versions[loaded.day] = loaded.version
            tables_of_day = [table for table in CALL_TABLES if table.name in selected]
            reporter.add(loaded.day, [(table, _facts_of_table(table, loaded)) for table in tables_of_day])
        fail_if(problems, "call tables")
    data_version = data_version_of([versions.get(day) for day in days])
    for table in CALL_TABLES:
        if table.name in selected:
            yield dg.MaterializeResult(asset_key=table.name, data_version=data_version)


def _facts_of_table(table: Table, loaded: LoadedCallTables) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "dagster/partition_row_count": loaded.rows[table.name],
        "quarantined": loaded.quarantined,
        "truncated_values": loaded.truncated,
        "refused_rows": loaded.refused,
        "up_to_date": loaded.is_current,
    }
    if loaded.incomplete:
        facts[PROBLEMS] = dg.MetadataValue.json([f"{loaded.day}: {problem}" for problem in loaded.incomplete])
    return facts
