"""raw_call_details: the only partitioned asset that costs Clari Copilot requests."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime

import dagster as dg

from copilot_pipeline.defs.automation.quota import CLARI_POOL, pass_on, requeue_when_quota_spent
from copilot_pipeline.defs.partitions import DAYS, OWNERS, PartitionReporter, column_schema, days_of, fail_if
from copilot_pipeline.load.tables import RAW_CALL_DETAILS
from copilot_pipeline.runtime import BACKFILL, BACKFILL_TAG, Runtime

# One run holds the pool for this many days, so that the daily run gets its turn between two of them.
DAYS_PER_RUN = 7
DAGSTER_BACKFILL_TAG = "dagster/backfill"
RETRY_TAG = "dagster/retry_number"


@dg.asset(
    name=RAW_CALL_DETAILS.name,
    description=RAW_CALL_DETAILS.description
    + " Days already complete cost one list request; a call is fetched again only when its status moved.",
    partitions_def=DAYS,
    backfill_policy=dg.BackfillPolicy.multi_run(DAYS_PER_RUN),
    pool=CLARI_POOL,
    group_name="raw",
    kinds={"parquet"},
    owners=OWNERS,
    metadata={"dagster/column_schema": column_schema(RAW_CALL_DETAILS)},
)
def raw_call_details(
    context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]
) -> dg.MaterializeResult[None]:
    """Lists the days, fetches the details that are wanted, stores the days."""
    days = days_of(context)
    problems: dict[date, list[str]] = {}
    complete: list[date] = []
    with (
        _passing_on(context, runtime, complete),
        PartitionReporter(context, days) as landed,
        runtime.extraction(source_of(context, runtime)) as extraction,
    ):
        for report in requeue_when_quota_spent(
            context, runtime, extraction.run(days, since=ordered_at(context, runtime))
        ):
            if report.problems:
                problems[report.day] = report.problems
                continue
            calls = report.stored.calls if report.stored else 0
            facts = {
                "dagster/partition_row_count": calls,
                "details_fetched": report.fetched,
                "quarantined": report.quarantined,
            }
            landed.add(report.day, [(RAW_CALL_DETAILS, facts)])
            complete.append(report.day)
        fail_if(problems, runtime, "raw_call_details")
    week = runtime.gate().quota()
    return dg.MaterializeResult(
        metadata={
            "week_requests_used": week.used,
            "week_requests_left": max(0, week.limit - week.used),
            "week_resets_at": dg.MetadataValue.timestamp(week.resets_at),
        }
    )


@contextmanager
def _passing_on(context: dg.AssetExecutionContext, runtime: Runtime, complete: Sequence[date]) -> Iterator[None]:
    try:
        yield
    except dg.Failure:
        pass_on(context, runtime, complete)
        raise


def source_of(context: dg.AssetExecutionContext, runtime: Runtime) -> str:
    """Through which source this run came: it is what its requests are counted under."""
    tags = context.run.tags
    if DAGSTER_BACKFILL_TAG in tags or BACKFILL_TAG in tags:
        return BACKFILL
    return "schedule" if "dagster/schedule_name" in tags else runtime.source


def ordered_at(context: dg.AssetExecutionContext, runtime: Runtime) -> datetime | None:
    """When these days were asked for: a run that is started again goes on, and lists nothing that was listed since."""
    tags = context.run.tags
    if BACKFILL_TAG in tags:
        registered = runtime.backfills.get(int(tags[BACKFILL_TAG]))
        return registered.registered_at if registered else None
    launched = context.instance.get_backfill(tags[DAGSTER_BACKFILL_TAG]) if DAGSTER_BACKFILL_TAG in tags else None
    if launched is not None:
        return datetime.fromtimestamp(launched.backfill_timestamp, UTC)
    if RETRY_TAG in tags and context.run.root_run_id:  # started again by Dagster and not by a person, who orders anew
        first = context.instance.get_run_record_by_id(context.run.root_run_id)
        return first.create_timestamp if first else None
    return runtime.ordered_at
