"""Sensors: cheap looks at the ledger that start runs, and the valve that turns "wait for Sunday" into a queue."""

from collections.abc import Iterator
from contextlib import suppress

import dagster as dg

from copilot_pipeline.defs.automation.backfills import backfill_sensor
from copilot_pipeline.defs.automation.incremental_run import SOURCES, open_runs
from copilot_pipeline.defs.automation.jobs import (
    ARRIVALS_POOL,
    ARRIVALS_PRIORITY,
    POLLING_POOL,
    UNDER_WAY,
    arrivals,
    deliver,
    is_in_reach,
)
from copilot_pipeline.defs.automation.quota import CLARI_POOL
from copilot_pipeline.defs.automation.sensor_runtime import sensor_runtime, why_closed
from copilot_pipeline.defs.calls.raw import DAGSTER_BACKFILL_TAG
from copilot_pipeline.delivery.incidents import Problem
from copilot_pipeline.errors import CredentialsRefused, PipelineError, QuotaExhausted
from copilot_pipeline.extract.polling import SOURCE as POLLING
from copilot_pipeline.runtime import BACKFILL, BACKFILL_TAG, Runtime


@dg.sensor(
    job=arrivals,
    minimum_interval_seconds=3,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts a run when webhooks wait, when polling found calls, when a call is due for another look.",
)
def arrivals_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """One run at a time; what arrives meanwhile is taken up by it."""
    runtime = sensor_runtime()
    reasons = list(_reasons(runtime))
    if not reasons:
        return dg.SkipReason("nothing waits")
    closed = why_closed(runtime, POLLING)
    if closed is not None:
        return dg.SkipReason(f"{', '.join(reasons)}; but {closed}")
    if context.instance.get_runs_count(dg.RunsFilter(job_name=arrivals.name, statuses=UNDER_WAY)):
        return dg.SkipReason(f"{', '.join(reasons)}; a run is under way")
    return dg.SensorResult([dg.RunRequest(tags={**ARRIVALS_PRIORITY, "copilot_pipeline/why": ", ".join(reasons)})])


def _reasons(runtime: Runtime) -> Iterator[str]:
    waiting = runtime.inbox.backlog().count
    if waiting:
        yield f"{waiting} webhook(s) wait"
    days = list(filter(is_in_reach, runtime.calls.unfinished_days(SOURCES)))
    if days:
        yield f"calls of {len(days)} day(s) wait"
    due = len(runtime.calls.due_for_retry(runtime.settings.pipeline.advanced.clari.processing_attempts, 100))
    if due:
        yield f"{due} call(s) are due for a look"
    left = list(filter(is_in_reach, {*runtime.arrivals.unfinished_days(), *open_runs(runtime)}))
    if left:
        yield f"{len(left)} day(s) are to be finished"


@dg.sensor(
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Shuts the pool of Clari Copilot while the week's requests are spent, and opens it after the reset.",
)
def quota_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Runs that need the API wait in the queue, visibly, and go on by themselves."""
    runtime = sensor_runtime()
    if runtime.gate().quota().is_unconfirmed:
        _try(runtime)
    everybody = why_closed(runtime, POLLING)
    backfills = everybody or why_closed(runtime, BACKFILL)
    if everybody is None and backfills is not None and _next_in_queue_may_pass(context.instance):
        backfills = None
    set_pool_limit(context.instance, CLARI_POOL, is_open=backfills is None)
    for pool in (POLLING_POOL, ARRIVALS_POOL):  # the reserve is theirs: shut only by what shuts out everybody
        set_pool_limit(context.instance, pool, is_open=everybody is None)
    return dg.SkipReason(f"shut: {backfills}" if backfills else "open")


def _try(runtime: Runtime) -> None:
    """One request tells whether the server still refuses, before a run has to find out: then the gate closes again."""
    with suppress(PipelineError), runtime.clari("valve", attempts=1) as client:
        client.probe()
        runtime.gate().confirm_open()


def set_pool_limit(instance: dg.DagsterInstance, pool: str, *, is_open: bool) -> None:
    """Sets a pool's limit where it is another one."""
    known = {one.name: one.limit for one in instance.event_log_storage.get_pool_limits()}
    if known.get(pool) != int(is_open):
        instance.event_log_storage.set_concurrency_slots(pool, int(is_open))


def _next_in_queue_may_pass(instance: dg.DagsterInstance) -> bool:
    """With only the reserve left, the valve opens for a run that is no backfill and goes before those that are."""
    queued = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]), limit=100)
    return any(
        _goes_first(run) and BACKFILL_TAG not in run.tags and DAGSTER_BACKFILL_TAG not in run.tags
        for run in queued
        if _waits_for(run, CLARI_POOL)
    )


def _goes_first(run: dg.DagsterRun) -> bool:
    try:
        return int(run.tags.get("dagster/priority", "0")) > 0
    except ValueError:  # a person may write anything into a tag; the queue takes it for 0 as well
        return False


def _waits_for(run: dg.DagsterRun, pool: str) -> bool:
    pools = run.run_op_concurrency.all_pools if run.run_op_concurrency is not None else None
    return pool in (pools or ())


@dg.sensor(
    job=deliver,
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts a run when something in the outbox is due.",
)
def deliveries_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """One run at a time."""
    due = sensor_runtime().outgoing.delivering().due()
    if not due:
        return dg.SkipReason("nothing is due")
    if context.instance.get_runs_count(dg.RunsFilter(job_name=deliver.name, statuses=UNDER_WAY)):
        return dg.SkipReason(f"due: {', '.join(due)}; a run is under way")
    return dg.SensorResult([dg.RunRequest(tags=ARRIVALS_PRIORITY)])


@dg.run_failure_sensor(
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells people of runs that failed, once a day while it lasts.",
)
def failed_runs(context: dg.RunFailureSensorContext) -> None:
    """A run that waits for the week's budget is no failure: it goes on by itself."""
    run = context.dagster_run
    if run.tags.get("dagster/will_retry") == "true" or _is_told_elsewhere(context):
        return
    what = f"Run {run.run_id[:8]} of {run.job_name} failed."
    todo = "Open the run in the Dagster UI: its last event names the days and the reason. Then run the same days again."
    sensor_runtime().outgoing.watching().tell(Problem(f"run {run.job_name}", what, todo))


def _is_told_elsewhere(context: dg.RunFailureSensorContext) -> bool:
    """A refused key and a spent week are one failure each, however many runs meet them."""
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
    description="Tells people when a job that failed works again.",
)
def mended_runs(context: dg.RunStatusSensorContext) -> None:
    """Says so once."""
    sensor_runtime().outgoing.watching().over(f"run {context.dagster_run.job_name}")


ALL_SENSORS = [arrivals_sensor, backfill_sensor, quota_sensor, deliveries_sensor, failed_runs, mended_runs]
