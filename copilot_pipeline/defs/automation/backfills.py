"""The sensor that starts the runs of registered backfills."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg

from copilot_pipeline.clients.backoff import Backoff
from copilot_pipeline.defs.automation.jobs import UNDER_WAY
from copilot_pipeline.defs.automation.schedules import daily_calls
from copilot_pipeline.defs.automation.sensor_runtime import sensor_runtime, why_closed
from copilot_pipeline.defs.calls.raw import DAYS_PER_RUN
from copilot_pipeline.runtime import BACKFILL, BACKFILL_TAG, Runtime
from copilot_pipeline.state.backfills import Backfill, day_ranges

BACKFILL_PRIORITY = {"dagster/priority": "-10"}
# One run is under way while the next waits in the queue: the pace stays full between them.
RUNS_AHEAD = 2
# Between two runs of the same days, the first of which failed.
BACKOFF = Backoff(first_seconds=60.0, max_seconds=6 * 3600.0, jitter=0.0)
_FIRST, _LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
_UNDER_WAY = [*UNDER_WAY, dg.DagsterRunStatus.CANCELING]  # its days are not free before it has ended


@dg.sensor(
    job=daily_calls,
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts the runs of registered backfills, newest days first, as the week's requests allow.",
)
def backfill_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Two runs ahead for each backfill."""
    runtime = sensor_runtime()
    active = runtime.backfills.all(only_active=True)
    if not active:
        return dg.SkipReason("no backfill is registered")
    closed = why_closed(runtime, BACKFILL)
    if closed is not None:
        return dg.SkipReason(closed)
    requests = [request for backfill in active for request in next_runs(context.instance, runtime, backfill)]
    return dg.SensorResult(requests) if requests else dg.SkipReason("its runs are under way, or rest after a failure")


def next_runs(instance: dg.DagsterInstance, runtime: Runtime, backfill: Backfill) -> Iterator[dg.RunRequest]:
    """The days are cut into runs once and for all: what a run that died had listed, the next one of its days has."""
    left = set(runtime.backfills.remaining_days(backfill, are_scored=bool(runtime.kits)))
    number = {BACKFILL_TAG: str(backfill.id)}
    under_way = [
        run
        for run in instance.get_runs(dg.RunsFilter(tags=number, statuses=[*_UNDER_WAY, dg.DagsterRunStatus.FAILURE]))
        if run.status in _UNDER_WAY or run.is_complete_and_waiting_to_retry
    ]
    if not left and not under_way:
        runtime.backfills.finish(backfill.id)
    taken = {run.tags.get(_FIRST) for run in under_way}
    free = RUNS_AHEAD - len(under_way)
    for days in day_ranges(backfill.days, DAYS_PER_RUN):
        if free <= 0:
            return
        tags = {_FIRST: days[0].isoformat(), _LAST: days[-1].isoformat(), **number}
        if left.isdisjoint(days) or tags[_FIRST] in taken or _is_resting(instance, tags):
            continue
        free -= 1
        yield dg.RunRequest(tags={**tags, **BACKFILL_PRIORITY})


def _is_resting(instance: dg.DagsterInstance, tags: dict[str, str]) -> bool:
    """After each failure of the same days it takes longer until they are tried again; other days go on meanwhile."""
    failed = instance.get_run_records(dg.RunsFilter(tags=tags, statuses=[dg.DagsterRunStatus.FAILURE]))
    ends = [record.end_time for record in failed if record.end_time and not _was_given_back(record.dagster_run)]
    if not ends:
        return False
    delay = timedelta(seconds=BACKOFF.delay(len(ends)))
    return datetime.now(UTC) < datetime.fromtimestamp(max(ends), UTC) + delay


def _was_given_back(run: dg.DagsterRun) -> bool:
    """It met the end of the budget, or its process died: another run went on with it."""
    return run.tags.get("dagster/will_retry") == "true"
