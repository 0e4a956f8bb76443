"""What happens to a run when the weekly quota is used up.

It keeps what it has, is requeued, and continues after the reset.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import TypeVar

import dagster as dg

from copilot_pipeline.clients.rate_limits import BACKFILL
from copilot_pipeline.defs.resources.services import RateLimiterResource
from copilot_pipeline.defs.resources.storage import PostgresResource
from copilot_pipeline.defs.runs import BACKFILL_TAG, CLARI_POOL, is_of_command
from copilot_pipeline.errors import QuotaExhausted
from copilot_pipeline.load.tables import CALLS
from copilot_pipeline.postgres import Database
from copilot_pipeline.state import Backfills, PendingCalls
from copilot_pipeline.state.partitions import PartitionStore

Report = TypeVar("Report")
# Dagster retries a failed run that has these tags. It waits in the queue for as long as the limit of its pool is 0.
_RETRY_ON_FAILURE = "dagster/retry_on_asset_or_op_failure"
_RETRY = {"dagster/max_retries": "1000", _RETRY_ON_FAILURE: "true"}


def requeue_when_quota_spent(
    context: dg.AssetExecutionContext, postgres: PostgresResource, reports: Iterator[Report]
) -> Iterator[Report]:
    """Pass reports on. If the quota is used up, mark the run to be retried after the reset.

    The retry inherits the mark and removes it: a failure for another reason is not retried.
    """
    if _RETRY_ON_FAILURE in context.run.tags:
        context.instance.add_run_tags(context.run.run_id, {_RETRY_ON_FAILURE: "false"})
    try:
        yield from reports
    except QuotaExhausted as spent:
        if is_of_command(context.run):
            raise
        if _is_cancelled(context.run, postgres.database):
            raise dg.Failure(
                f"{spent} Its backfill is cancelled: the other days are not fetched.", allow_retries=False
            ) from None
        context.instance.event_log_storage.set_concurrency_slots(CLARI_POOL, 0)
        context.instance.add_run_tags(context.run.run_id, _RETRY)
        raise dg.Failure(f"{spent} The other days of this run wait in the queue until then.") from None


def add_pending_calls(context: dg.AssetExecutionContext, database: Database, days: Iterable[date]) -> None:
    """Leave the tables and scores of complete days of a failed run to the incremental run.

    Dagster skips what is downstream of a failed step, even for its complete days. A run that selects only the raw layer
    adds nothing: its backfill or command requests the tables itself.
    """
    if dg.AssetKey(CALLS.name) in context.job_def.asset_layer.selected_asset_keys:
        partitions = PartitionStore(database)
        PendingCalls(database).add({call.call_id: day for day in days for call in partitions.calls_of(day)})


def closed_reason(rate_limiter: RateLimiterResource, source: str) -> str | None:
    """Why requests of this source would be refused now; None if they would not."""
    quota = rate_limiter.quota(source)
    if quota.closed_until is not None:
        return f"{quota.why_closed}; open again at {quota.closed_until:%Y-%m-%d %H:%M} UTC"
    if quota.used + rate_limiter.limits.units_per_page > quota.limit:
        what = "the part of the weekly quota for backfills" if source == BACKFILL else "the weekly quota"
        return (
            f"{what} is used up ({quota.used:,} of {quota.limit:,}); it resets at {quota.resets_at:%Y-%m-%d %H:%M} UTC"
        )
    return None


def _is_cancelled(run: dg.DagsterRun, database: Database) -> bool:
    """Whether the run belongs to a registered backfill that was cancelled."""
    number = run.tags.get(BACKFILL_TAG)
    backfill = Backfills(database).get(int(number)) if number else None
    return backfill is not None and not backfill.is_active
