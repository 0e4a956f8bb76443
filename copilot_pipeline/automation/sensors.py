"""Sensors: cheap looks at the ledger that start runs, and the valve that turns "wait for Sunday" into a queue."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache

import dagster as dg

from copilot_pipeline.assets.raw import DAYS_PER_RUN
from copilot_pipeline.automation.following import DOORS, open_runs
from copilot_pipeline.automation.jobs import (
    ARRIVALS_POOL,
    ARRIVALS_PRIORITY,
    POLLING_POOL,
    UNDER_WAY,
    arrivals,
    deliver,
    is_in_reach,
)
from copilot_pipeline.automation.schedules import daily_calls
from copilot_pipeline.delivery.incidents import Problem
from copilot_pipeline.errors import BudgetSpent, CredentialsRefused
from copilot_pipeline.ledger.backfills import Backfill, chunks
from copilot_pipeline.runtime import BACKFILL, Runtime
from copilot_pipeline.settings.loading import load_settings
from copilot_pipeline.steps.polling import DOOR as POLLING

POOL = "clari_copilot"
BACKFILL_TAG = "copilot_pipeline/backfill"
BACKFILL_PRIORITY = {"dagster/priority": "-10"}
# One run is under way while the next waits in the queue: the pace stays full between them.
RUNS_AHEAD = 2
_FIRST, _LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


@lru_cache(maxsize=1)
def _watcher() -> Runtime:
    """One runtime for all ticks of this process: a tick must cost milliseconds."""
    return Runtime(load_settings(), door="sensor")


@dg.sensor(
    job=arrivals,
    minimum_interval_seconds=3,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts a run when webhooks wait, when polling found calls, when a call is due for another look.",
)
def arrivals_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """One run at a time; what arrives meanwhile is taken up by it."""
    runtime = _watcher()
    reasons = list(_reasons(runtime))
    if not reasons:
        return dg.SkipReason("nothing waits")
    closed = _why_closed(runtime, POLLING)
    if closed is not None:
        return dg.SkipReason(f"{', '.join(reasons)}; but {closed}")
    if context.instance.get_runs_count(dg.RunsFilter(job_name=arrivals.name, statuses=UNDER_WAY)):
        return dg.SkipReason(f"{', '.join(reasons)}; a run is under way")
    return dg.SensorResult([dg.RunRequest(tags={**ARRIVALS_PRIORITY, "copilot_pipeline/why": ", ".join(reasons)})])


def _reasons(runtime: Runtime) -> Iterator[str]:
    waiting = runtime.inbox.waiting().count
    if waiting:
        yield f"{waiting} webhook(s) wait"
    days = list(filter(is_in_reach, runtime.calls.days_in_work(DOORS)))
    if days:
        yield f"calls of {len(days)} day(s) wait"
    due = len(runtime.calls.due_for_a_look(runtime.settings.pipeline.clari.processing_looks, 100))
    if due:
        yield f"{due} call(s) are due for a look"
    left = list(filter(is_in_reach, {*runtime.arrivals.left_behind(), *open_runs(runtime)}))
    if left:
        yield f"{len(left)} day(s) are to be finished"


@dg.sensor(
    job=daily_calls,
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts the runs of registered backfills, newest days first, as the week's requests allow.",
)
def backfill_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Two runs ahead for each backfill."""
    runtime = _watcher()
    active = runtime.backfills.all(only_active=True)
    if not active:
        return dg.SkipReason("no backfill is registered")
    closed = _why_closed(runtime, BACKFILL)
    if closed is not None:
        return dg.SkipReason(closed)
    requests = [request for backfill in active for request in _next_runs(context, runtime, backfill)]
    return dg.SensorResult(requests) if requests else dg.SkipReason("its runs are under way")


def _next_runs(context: dg.SensorEvaluationContext, runtime: Runtime, backfill: Backfill) -> Iterator[dg.RunRequest]:
    left = runtime.backfills.days_left(backfill)
    runs = context.instance.get_runs(
        dg.RunsFilter(tags={BACKFILL_TAG: str(backfill.id)}, statuses=UNDER_WAY), limit=RUNS_AHEAD
    )
    if not left:
        if not runs:
            runtime.backfills.finish(backfill.id)
        return
    taken = {
        day for run in runs for day in left if run.tags.get(_FIRST, "") <= day.isoformat() <= run.tags.get(_LAST, "")
    }
    for days in chunks(set(left) - taken, DAYS_PER_RUN)[: RUNS_AHEAD - len(runs)]:
        yield dg.RunRequest(
            tags={
                _FIRST: days[0].isoformat(),
                _LAST: days[-1].isoformat(),
                BACKFILL_TAG: str(backfill.id),
                **BACKFILL_PRIORITY,
            }
        )


@dg.sensor(
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Shuts the pool of Clari Copilot while the week's requests are spent, and opens it after the reset.",
)
def budget_valve(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Runs that need the API wait in the queue, visibly, and go on by themselves."""
    runtime = _watcher()
    everybody = _why_closed(runtime, POLLING)
    backfills = everybody or _why_closed(runtime, BACKFILL)
    if everybody is None and backfills is not None and _next_in_queue_may_pass(context.instance):
        backfills = None
    set_valve(context.instance, POOL, is_open=backfills is None)
    for pool in (POLLING_POOL, ARRIVALS_POOL):  # the reserve is theirs: shut only by what shuts out everybody
        set_valve(context.instance, pool, is_open=everybody is None)
    return dg.SkipReason(f"shut: {backfills}" if backfills else "open")


def set_valve(instance: dg.DagsterInstance, pool: str, *, is_open: bool) -> None:
    """Sets a pool's limit where it is another one."""
    known = {one.name: one.limit for one in instance.event_log_storage.get_pool_limits()}
    if known.get(pool) != int(is_open):
        instance.event_log_storage.set_concurrency_slots(pool, int(is_open))


def _next_in_queue_may_pass(instance: dg.DagsterInstance) -> bool:
    """With only the reserve left, the valve opens for a run that is no backfill and goes before those that are."""
    queued = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]), limit=100)
    return any(
        _goes_first(run) and BACKFILL_TAG not in run.tags and "dagster/backfill" not in run.tags
        for run in queued
        if _waits_for(run, POOL)
    )


def _goes_first(run: dg.DagsterRun) -> bool:
    try:
        return int(run.tags.get("dagster/priority", "0")) > 0
    except ValueError:  # a person may write anything into a tag; the queue takes it for 0 as well
        return False


def _waits_for(run: dg.DagsterRun, pool: str) -> bool:
    pools = run.run_op_concurrency.all_pools if run.run_op_concurrency is not None else None
    return pool in (pools or ())


def _why_closed(runtime: Runtime, door: str) -> str | None:
    """Why this door's requests would be refused now; None where they would not."""
    week = runtime.gate(door).week()
    if week.closed_until is not None and week.closed_until > datetime.now(UTC):
        why = "the server says the week is spent" if week.closed_because == "server" else "somebody else uses the key"
        return f"{why}; on again at {week.closed_until:%Y-%m-%d %H:%M} UTC"
    if week.used >= week.limit:
        share = "what backfills may use of the week" if door == BACKFILL else "the week"
        return f"{share} is spent ({week.used:,} of {week.limit:,}); on again at {week.resets_at:%Y-%m-%d %H:%M} UTC"
    return None


@dg.sensor(
    job=deliver,
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts a run when something in the outbox is due.",
)
def deliveries_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """One run at a time."""
    due = _watcher().delivering().due()
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
    _watcher().watching().tell(Problem(f"run {run.job_name}", what, todo))


def _is_told_elsewhere(context: dg.RunFailureSensorContext) -> bool:
    """A refused key and a spent week are one failure each, however many runs meet them."""
    for event in context.get_step_failure_events():
        error = event.step_failure_data.error
        while error is not None:
            if error.cls_name in (CredentialsRefused.__name__, BudgetSpent.__name__):
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
    _watcher().watching().over(f"run {context.dagster_run.job_name}")


ALL_SENSORS = [arrivals_sensor, backfill_sensor, budget_valve, deliveries_sensor, failed_runs, mended_runs]
