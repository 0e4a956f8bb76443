"""The sensor that launches the runs of registered backfills."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg

from copilot_pipeline.clients.backoff import Backoff
from copilot_pipeline.clients.rate_limits import BACKFILL
from copilot_pipeline.days import day_ranges
from copilot_pipeline.defs.automation.jobs import call_partitions
from copilot_pipeline.defs.automation.quota import closed_reason
from copilot_pipeline.defs.resources.services import RateLimiterResource
from copilot_pipeline.defs.resources.storage import PostgresResource, SettingsResource
from copilot_pipeline.defs.runs import BACKFILL_PRIORITY, BACKFILL_TAG, DAYS_PER_RUN, IN_PROGRESS
from copilot_pipeline.state.backfills import Backfill, Backfills

# The second run waits in the queue, so that requests continue at the full rate when the first one ends.
RUNS_AHEAD = 2
# Before days whose run failed are tried again.
BACKOFF = Backoff(first_seconds=60.0, max_seconds=6 * 3600.0, jitter=0.0)
_FIRST, _LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
_ACTIVE = [*IN_PROGRESS, dg.DagsterRunStatus.CANCELING]  # a run that is being cancelled still holds its days


@dg.sensor(
    job=call_partitions,
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Launches the runs of registered backfills, newest days first, within the weekly quota.",
)
def registered_backfills(
    context: dg.SensorEvaluationContext,
    postgres: PostgresResource,
    rate_limiter: RateLimiterResource,
    settings: SettingsResource,
) -> dg.SensorResult | dg.SkipReason:
    """Keep two runs of each backfill in progress."""
    backfills = Backfills(postgres.database)
    active = backfills.all(only_active=True)
    if not active:
        return dg.SkipReason("no backfill is registered")
    closed = closed_reason(rate_limiter, BACKFILL)
    if closed is not None:
        return dg.SkipReason(closed)
    are_scored = bool(settings.load().pipeline.kits)
    requests = [
        request
        for backfill in active
        for request in next_runs(context.instance, backfills, backfill, are_scored=are_scored)
    ]
    return dg.SensorResult(requests) if requests else dg.SkipReason("all runs are in progress or deferred")


def next_runs(
    instance: dg.DagsterInstance, backfills: Backfills, backfill: Backfill, *, are_scored: bool
) -> Iterator[dg.RunRequest]:
    """The runs to launch now.

    The days are always divided into the same runs, so that a run continues from the list cursor of a crashed one.
    """
    remaining = set(backfills.remaining_days(backfill, are_scored=are_scored))
    number = {BACKFILL_TAG: str(backfill.id)}
    active = [
        run
        for run in instance.get_runs(dg.RunsFilter(tags=number, statuses=[*_ACTIVE, dg.DagsterRunStatus.FAILURE]))
        if run.status in _ACTIVE or run.is_complete_and_waiting_to_retry
    ]
    if not remaining and not active:
        backfills.finish(backfill.id)
    launched = {run.tags.get(_FIRST) for run in active}
    free = RUNS_AHEAD - len(active)
    for days in day_ranges(backfill.days, DAYS_PER_RUN):
        if free <= 0:
            return
        tags = {_FIRST: days[0].isoformat(), _LAST: days[-1].isoformat(), **number}
        if remaining.isdisjoint(days) or tags[_FIRST] in launched or _is_deferred(instance, tags):
            continue
        free -= 1
        yield dg.RunRequest(tags={**tags, **BACKFILL_PRIORITY})


def _is_deferred(instance: dg.DagsterInstance, tags: dict[str, str]) -> bool:
    """Whether the delay after the last failure of these days has not passed. Other days continue meanwhile."""
    failed = instance.get_run_records(dg.RunsFilter(tags=tags, statuses=[dg.DagsterRunStatus.FAILURE]))
    ends = [record.end_time for record in failed if record.end_time and not _is_retried(record.dagster_run)]
    if not ends:
        return False
    delay = timedelta(seconds=BACKOFF.delay(len(ends)))
    return datetime.now(UTC) < datetime.fromtimestamp(max(ends), UTC) + delay


def _is_retried(run: dg.DagsterRun) -> bool:
    """Whether Dagster retries the run: the quota was used up, or its process crashed."""
    return run.tags.get("dagster/will_retry") == "true"
