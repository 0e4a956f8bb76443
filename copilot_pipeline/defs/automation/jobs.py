"""What runs by itself beside the assets: polling for changes, and following what arrived."""

from datetime import date

import dagster as dg

from copilot_pipeline.defs.automation.incremental_run import IncrementalRun
from copilot_pipeline.defs.partitions import DAYS
from copilot_pipeline.errors import QuotaExhausted
from copilot_pipeline.extract.polling import SOURCE as POLLING
from copilot_pipeline.runtime import Runtime

# Higher goes first: what somebody waits for, then the daily run, then any backfill.
ARRIVALS_PRIORITY = {"dagster/priority": "20"}
# Pools of their own, one run at a time in each: a backfill holds that of its assets for a quarter of an hour at a
# time, and whoever waits for a webhook does not wait for it. The pace and the claims are shared by all of them.
POLLING_POOL = "polling"
ARRIVALS_POOL = "arrivals"
UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


@dg.op(pool=POLLING_POOL, description="Lists what changed since the last poll into the ledger. No details.")
def poll_changes(context: dg.OpExecutionContext, runtime: dg.ResourceParam[Runtime]) -> None:
    """The second source."""
    try:
        with runtime.clari(POLLING) as client:
            polled = runtime.polling(client).poll()
    except QuotaExhausted as spent:
        context.log.warning(f"{spent} The next poll goes on where this one ended.")
        return
    context.log.info(
        f"{polled.calls} calls changed between {polled.after:%Y-%m-%d %H:%M} and {polled.before:%H:%M} UTC"
    )


@dg.job(description="What changed since the last poll.", tags=ARRIVALS_PRIORITY)
def poll() -> None:
    """One op."""
    poll_changes()


@dg.op(
    pool=ARRIVALS_POOL,
    description="Follows webhooks and calls that ripen, fetches what polling found, and finishes the days they are of.",
)
def follow_arrivals(context: dg.OpExecutionContext, runtime: dg.ResourceParam[Runtime]) -> None:
    """Goes on for as long as something arrives or is being scored."""
    following = IncrementalRun(runtime, is_in_reach)
    for landed in following.run():
        for table in landed.tables:
            context.log_event(dg.AssetMaterialization(table.name, partition=landed.day.isoformat()))
    if following.spent is not None:
        context.log.warning(f"{following.spent} What waits goes on then by itself.")
    if following.problems:
        raise dg.Failure(
            "Some of it is left for the next run:\n" + "\n".join(following.problems[:20]), allow_retries=False
        )


@dg.job(description="Webhooks, ripened calls and polled changes, all the way to the scores.", tags=ARRIVALS_PRIORITY)
def arrivals() -> None:
    """One op."""
    follow_arrivals()


@dg.op(description="Sends what waits in the outbox, looks for failures, and tells people of them.")
def send_deliveries(context: dg.OpExecutionContext, runtime: dg.ResourceParam[Runtime]) -> None:
    """Each delivery goes out once; a sink that is down delays its own only."""
    sent = runtime.outgoing.deliver()
    for name, problem in sent.problems.items():
        context.log.warning(f"{name}: {problem}")


@dg.job(description="Slack, CRM and webhooks: what the routes of pipeline.yaml ask for.", tags=ARRIVALS_PRIORITY)
def deliver() -> None:
    """One op."""
    send_deliveries()


def is_in_reach(day: date) -> bool:
    """A call from before the first partition or of a day to come waits for its day."""
    return DAYS.has_partition_key(day.isoformat())
