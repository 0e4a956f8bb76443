"""Jobs.

Naming: a job is a noun for the work it does. A schedule is named after its job, with the cadence in front
(`daily_reference_data`). A sensor is named after what it watches (`pending_calls`, `weekly_quota`).
"""

from contextlib import suppress

import dagster as dg
from pydantic import Field

from copilot_pipeline.defs.automation.incremental_run import LINGER_SECONDS, IncrementalRun
from copilot_pipeline.defs.automation.incremental_steps import open_steps
from copilot_pipeline.defs.checks import CheckEvaluations
from copilot_pipeline.defs.measurements import measure_lake
from copilot_pipeline.defs.partitions import PROBLEMS, is_partition, shown
from copilot_pipeline.defs.privacy import RETENTION
from copilot_pipeline.defs.problems import grouped
from copilot_pipeline.defs.resources.services import (
    ClariCopilotResource,
    DeliveriesResource,
    RateLimiterResource,
    SemarizeResource,
)
from copilot_pipeline.defs.resources.storage import LakeResource, PostgresResource, SettingsResource
from copilot_pipeline.defs.retries import retried_when_disconnected
from copilot_pipeline.defs.runs import DAILY_PRIORITY, INCREMENTAL_POOL, INCREMENTAL_PRIORITY, POLL_POOL
from copilot_pipeline.errors import ConfigurationError, QuotaExhausted
from copilot_pipeline.extract.factory import make_poller
from copilot_pipeline.extract.polling import SOURCE as POLL
from copilot_pipeline.load.tables import (
    ACCOUNTS,
    BRICKS,
    CALL_TABLES,
    DEAL_HISTORY,
    DEALS,
    MART_TABLES,
    RAW_CALL_DETAILS,
    SCORE_TABLES,
    SCORECARDS,
    TOPICS,
    USER_HISTORY,
    USERS,
)

RUN_TAG = "copilot_pipeline/run"  # on materializations of the incremental run: the run that made them

call_partitions = dg.define_asset_job(
    "call_partitions",
    selection=dg.AssetSelection.assets(RAW_CALL_DETAILS.name, *(table.name for table in (*CALL_TABLES, *SCORE_TABLES))),
    description="Fetch, load and score the calls of some days.",
    tags=DAILY_PRIORITY,
)

marts = dg.define_asset_job(
    "marts",
    # With the table of deals, which is built from whatever could be read: one deal that cannot be read must not keep
    # the outcomes of all others out of the marts.
    selection=dg.AssetSelection.assets(
        DEALS.name, DEAL_HISTORY.name, ACCOUNTS.name, *(table.name for table in MART_TABLES)
    ),
    description="Rebuild deals, accounts and all marts from stored data. Also done hourly after their inputs changed.",
    tags=DAILY_PRIORITY,
)

reference_data = dg.define_asset_job(
    "reference_data",
    selection=dg.AssetSelection.assets(
        USERS.name, USER_HISTORY.name, TOPICS.name, SCORECARDS.name, BRICKS.name, "raw_deals", "raw_accounts"
    ),
    description="Read users, topics, scorecards, bricks, new and open deals, and new accounts.",
    tags=DAILY_PRIORITY,
)

removal = dg.define_asset_job(
    "removal",
    selection=dg.AssetSelection.assets(RETENTION),
    description="Remove what is older than privacy.retention allows.",
    tags=DAILY_PRIORITY,
)


@dg.op(pool=POLL_POOL, description="Lists the calls that changed since the last poll. Fetches no details.")
@retried_when_disconnected
def changed_calls(
    context: dg.OpExecutionContext,
    settings: SettingsResource,
    postgres: PostgresResource,
    clari_copilot: ClariCopilotResource,
) -> None:
    """If the quota is used up, the next poll continues where this one ended."""
    try:
        with clari_copilot.client(POLL) as client:
            polled = make_poller(settings.load(), client, postgres.database).poll()
    except QuotaExhausted as spent:
        context.log.warning(f"{spent} The next poll continues where this one ended.")
        return
    context.log.info(
        f"{polled.calls} calls changed between {polled.after:%Y-%m-%d %H:%M} and {polled.before:%H:%M} UTC"
    )


@dg.job(description="List the calls that changed since the last poll.", tags=INCREMENTAL_PRIORITY)
def poll() -> None:
    """One op."""
    changed_calls()


class IncrementalConfig(dg.Config):
    """Options of a run in the Launchpad; all have defaults."""

    linger_seconds: float = Field(
        default=LINGER_SECONDS, ge=0, description="How long the run waits for further calls after the last one."
    )


@dg.op(
    pool=INCREMENTAL_POOL,
    description="Fetches, loads and scores the calls of webhooks, polls and rechecks, continuously, in one process.",
)
@retried_when_disconnected
def scored_calls(
    context: dg.OpExecutionContext,
    config: IncrementalConfig,
    settings: SettingsResource,
    postgres: PostgresResource,
    lake: LakeResource,
    rate_limiter: RateLimiterResource,
    clari_copilot: ClariCopilotResource,
    semarize: SemarizeResource,
    deliveries: DeliveriesResource,
) -> None:
    """Run until no call is pending and no Semarize run is open."""
    resources = (settings, postgres, lake, rate_limiter, clari_copilot, semarize, deliveries)
    of_checks = {"settings": settings, "postgres": postgres, "rate_limiter": rate_limiter}
    checks = CheckEvaluations(context, of_checks)
    with open_steps(*resources, is_in_reach=is_partition) as steps:
        incremental = IncrementalRun(steps, is_partition, linger_seconds=config.linger_seconds, log=context.log.info)
        try:
            for loaded in incremental.run():
                for table in loaded.tables:
                    context.log_event(_materialization(context, table.name, loaded.day.isoformat()))
                checks.add(table.name for table in loaded.tables)
        finally:
            checks.finish()
    for warning in incremental.warnings:
        context.log.warning(warning)
    if incremental.quota_exhausted is not None:
        context.log.warning(f"{incremental.quota_exhausted} Pending calls continue after that.")
    if incremental.problems:
        raise dg.Failure(
            "Not done, left to the next run:\n" + "\n".join(shown(grouped(incremental.problems))),
            metadata={PROBLEMS: dg.MetadataValue.json(incremental.problems)},
            allow_retries=False,
        )


def _materialization(context: dg.OpExecutionContext, table: str, day: str) -> dg.AssetMaterialization:
    run = {"run": context.run.run_id, "job": context.job_name}
    return dg.AssetMaterialization(table, partition=day, tags={RUN_TAG: context.job_name}, metadata=run)


@dg.job(description="Webhooks, rechecks and polled changes: from the call id to its scores.", tags=INCREMENTAL_PRIORITY)
def incremental_run() -> None:
    """One op, so that no call waits for a process to start."""
    scored_calls()


@dg.op(description="Sends the deliveries that are due, checks sinks and backlogs, and reports incidents.")
@retried_when_disconnected
def delivery_batch(
    context: dg.OpExecutionContext, postgres: PostgresResource, lake: LakeResource, deliveries: DeliveriesResource
) -> None:
    """A sink that is down delays only its own deliveries. Also measures the size of the lake, at most hourly."""
    with suppress(ConfigurationError, OSError):  # the runs that need the lake report it
        measure_lake(lake.open(postgres.database), postgres.database)
    report = deliveries.service().send()
    for name, problem in report.unusable_sinks.items():
        context.log.warning(f"{name}: {problem}")


@dg.job(description="Send the deliveries of the routes, and report incidents.", tags=INCREMENTAL_PRIORITY)
def deliveries() -> None:
    """One op."""
    delivery_batch()


JOBS = (call_partitions, reference_data, marts, removal, poll, incremental_run, deliveries)
