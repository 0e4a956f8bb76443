"""Sensors: short queries of the state store that launch runs, and the limit of pools while the quota is used up."""

from collections.abc import Iterator
from contextlib import suppress

import dagster as dg

from copilot_pipeline.clients.rate_limits import BACKFILL
from copilot_pipeline.config.loading import Settings
from copilot_pipeline.defs.automation.backfills import registered_backfills
from copilot_pipeline.defs.automation.incremental_run import SOURCES
from copilot_pipeline.defs.automation.incremental_steps import open_runs
from copilot_pipeline.defs.automation.jobs import deliveries as deliveries_job
from copilot_pipeline.defs.automation.jobs import incremental_run, poll
from copilot_pipeline.defs.automation.quota import closed_reason
from copilot_pipeline.defs.automation.recovery import report_failed, resolve_recovered
from copilot_pipeline.defs.partitions import is_partition
from copilot_pipeline.defs.resources.services import ClariCopilotResource, DeliveriesResource, RateLimiterResource
from copilot_pipeline.defs.resources.storage import PostgresResource, SettingsResource
from copilot_pipeline.defs.runs import (
    BACKFILL_TAG,
    CLARI_POOL,
    DAGSTER_BACKFILL_TAG,
    DAILY_PRIORITY,
    IN_PROGRESS,
    INCREMENTAL_POOL,
    INCREMENTAL_PRIORITY,
    POLL_POOL,
    SCHEDULE,
)
from copilot_pipeline.errors import CredentialsRefused, PipelineError, QuotaExhausted
from copilot_pipeline.postgres import Database
from copilot_pipeline.state import CallStore, Inbox, PendingCalls

_JOBS_WITHOUT_PARTITIONS = frozenset({poll.name, incremental_run.name, deliveries_job.name})


@dg.sensor(
    job=incremental_run,
    minimum_interval_seconds=3,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Launches the incremental run when webhooks, polled calls or rechecks are pending.",
)
def pending_calls(
    context: dg.SensorEvaluationContext,
    settings: SettingsResource,
    postgres: PostgresResource,
    rate_limiter: RateLimiterResource,
) -> dg.SensorResult | dg.SkipReason:
    """One run at a time; it also takes the calls that become known while it runs."""
    reasons = ", ".join(_pending(settings.load(), postgres.database))
    if not reasons:
        return dg.SkipReason("no call is pending")
    closed = closed_reason(rate_limiter, SCHEDULE)
    if closed is not None:
        return dg.SkipReason(f"{reasons}; but {closed}")
    if context.instance.get_runs_count(dg.RunsFilter(job_name=incremental_run.name, statuses=IN_PROGRESS)):
        return dg.SkipReason(f"{reasons}; a run is in progress")
    return dg.SensorResult([dg.RunRequest(tags={**INCREMENTAL_PRIORITY, "copilot_pipeline/reason": reasons})])


def _pending(settings: Settings, database: Database) -> Iterator[str]:
    webhooks = Inbox(database).backlog().count
    if webhooks:
        yield f"{webhooks} webhook(s) in the inbox"
    calls = CallStore(database, settings.zone)
    days = list(filter(is_partition, calls.unfinished_days(SOURCES)))
    if days:
        yield f"calls of {len(days)} day(s) to fetch or store"
    due = len(calls.due_for_retry(settings.pipeline.advanced.clari.processing_attempts, 100))
    if due:
        yield f"{due} call(s) to recheck"
    unfinished = list(filter(is_partition, {*PendingCalls(database).unfinished_days(), *open_runs(settings, database)}))
    if unfinished:
        yield f"{len(unfinished)} day(s) to load or score"


@dg.sensor(
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sets the limit of the Clari Copilot pools to 0 while the weekly quota is used up, and to 1 after it.",
)
def weekly_quota(
    context: dg.SensorEvaluationContext, rate_limiter: RateLimiterResource, clari_copilot: ClariCopilotResource
) -> dg.SkipReason:
    """Runs that need the API wait in the queue, where the UI shows them, and continue after the reset."""
    if rate_limiter.quota(SCHEDULE).is_unconfirmed:
        _confirm_open(rate_limiter, clari_copilot)
    closed = closed_reason(rate_limiter, SCHEDULE)
    closed_for_backfills = closed or closed_reason(rate_limiter, BACKFILL)
    if closed is None and closed_for_backfills is not None and _next_in_queue_may_use_reserve(context.instance):
        closed_for_backfills = None
    set_pool_limit(context.instance, CLARI_POOL, is_open=closed_for_backfills is None)
    for pool in (POLL_POOL, INCREMENTAL_POOL):  # they may use the reserve
        set_pool_limit(context.instance, pool, is_open=closed is None)
    return dg.SkipReason(f"closed: {closed_for_backfills}" if closed_for_backfills else "open")


def _confirm_open(rate_limiter: RateLimiterResource, clari_copilot: ClariCopilotResource) -> None:
    """Send one request before a run does. If the server still refuses it, the rate limiter closes again."""
    with suppress(PipelineError), clari_copilot.client(SCHEDULE, attempts=1) as client:
        client.probe()
        rate_limiter.limiter(SCHEDULE).confirm_open()


def set_pool_limit(instance: dg.DagsterInstance, pool: str, *, is_open: bool) -> None:
    """Set the limit of a pool to 1 or 0 if it is different."""
    limits = {one.name: one.limit for one in instance.event_log_storage.get_pool_limits()}
    if limits.get(pool) != int(is_open):
        instance.event_log_storage.set_concurrency_slots(pool, int(is_open))


def _next_in_queue_may_use_reserve(instance: dg.DagsterInstance) -> bool:
    """Whether a run that is not of a backfill, and is ahead of those that are, waits for the pool."""
    queued = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]), limit=100)
    return any(
        _is_ahead_of_backfills(run) and BACKFILL_TAG not in run.tags and DAGSTER_BACKFILL_TAG not in run.tags
        for run in queued
        if _waits_for_pool(run, CLARI_POOL)
    )


def _is_ahead_of_backfills(run: dg.DagsterRun) -> bool:
    try:
        return int(run.tags.get("dagster/priority", "0")) > 0
    except ValueError:  # a tag may hold any text; the queue takes it for 0 as well
        return False


def _waits_for_pool(run: dg.DagsterRun, pool: str) -> bool:
    pools = run.run_op_concurrency.all_pools if run.run_op_concurrency is not None else None
    return pool in (pools or ())


@dg.sensor(
    job=deliveries_job,
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Launches a run when deliveries in the outbox are due.",
)
def due_deliveries(
    context: dg.SensorEvaluationContext, deliveries: DeliveriesResource
) -> dg.SensorResult | dg.SkipReason:
    """One run at a time."""
    due = deliveries.service().dispatcher().due()
    if not due:
        return dg.SkipReason("no delivery is due")
    if context.instance.get_runs_count(dg.RunsFilter(job_name=deliveries_job.name, statuses=IN_PROGRESS)):
        return dg.SkipReason(f"due: {', '.join(due)}; a run is in progress")
    return dg.SensorResult([dg.RunRequest(tags=INCREMENTAL_PRIORITY)])


@dg.run_failure_sensor(
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Opens an incident for a job whose run failed.",
)
def failed_runs(context: dg.RunFailureSensorContext, deliveries: DeliveriesResource) -> None:
    """Runs that Dagster retries, or whose cause has an incident of its own, are not reported."""
    run = context.dagster_run
    if run.tags.get("dagster/will_retry") == "true" or _has_own_incident(context):
        return
    report_failed(context.instance, run, deliveries.service().incident_monitor())


def _has_own_incident(context: dg.RunFailureSensorContext) -> bool:
    """Whether the run failed on refused credentials or a used-up quota: one incident each, not one per run."""
    for event in context.get_step_failure_events():
        error = event.step_failure_data.error
        while error is not None:
            if error.cls_name in (CredentialsRefused.__name__, QuotaExhausted.__name__):
                return True
            error = error.cause
    return False


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Resolves the incident of a job when everything that failed has succeeded since.",
)
def recovered_runs(context: dg.RunStatusSensorContext, deliveries: DeliveriesResource) -> None:
    """A success of other partitions resolves nothing; partitions may be materialized by another job."""
    monitor = deliveries.service().incident_monitor()
    resolve_recovered(context.instance, context.dagster_run, monitor, _JOBS_WITHOUT_PARTITIONS)


_MIRRORS = dg.AssetSelection.assets("raw_deals", "raw_accounts")
# A sensor of their own, so that their runs, which wait while the weekly quota is used up, do not hold back the marts.
linked_records = dg.AutomationConditionSensorDefinition(
    "linked_records",
    target=_MIRRORS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    run_tags=DAILY_PRIORITY,
    description="Reads new and open deals and new accounts of the CRM mirror after calls changed, at most hourly.",
)
changed_inputs = dg.AutomationConditionSensorDefinition(
    "changed_inputs",
    target=dg.AssetSelection.all() - _MIRRORS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    run_tags=DAILY_PRIORITY,
    description="Rebuilds deals, accounts, marts and the weekly report after their inputs changed.",
)

SENSORS = [
    pending_calls,
    registered_backfills,
    weekly_quota,
    due_deliveries,
    failed_runs,
    recovered_runs,
    linked_records,
    changed_inputs,
]
