"""A run that meets the end of the week's budget keeps what it has and gives the rest back to the queue."""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import TypeVar

import dagster as dg

from copilot_pipeline.errors import QuotaExhausted
from copilot_pipeline.load.tables import CALLS
from copilot_pipeline.runtime import BACKFILL_TAG, Runtime

Report = TypeVar("Report")
CLARI_POOL = "clari_copilot"  # of the assets that cost Clari Copilot requests: one run at a time
# Dagster starts a run anew that fails with these tags; it waits in the queue for as long as the valve is shut.
_ON_FAILURE = "dagster/retry_on_asset_or_op_failure"
_AGAIN = {"dagster/max_retries": "1000", _ON_FAILURE: "true"}


def requeue_when_quota_spent(
    context: dg.AssetExecutionContext, runtime: Runtime, reports: Iterator[Report]
) -> Iterator[Report]:
    """Passes reports on. Where the budget ends, the run is marked to be started again after the reset.

    That run inherits the mark and takes it off: a failure of another kind is a failure, and is not repeated for ever.
    """
    if _ON_FAILURE in context.run.tags:
        context.instance.add_run_tags(context.run.run_id, {_ON_FAILURE: "false"})
    try:
        yield from runtime.noticing_fatal(reports)
    except QuotaExhausted as spent:
        if runtime.is_of_a_command:
            raise
        if _is_cancelled(context, runtime):
            raise dg.Failure(f"{spent} Its backfill is cancelled: the rest is left.", allow_retries=False) from None
        context.instance.event_log_storage.set_concurrency_slots(CLARI_POOL, 0)
        context.instance.add_run_tags(context.run.run_id, _AGAIN)
        raise dg.Failure(f"{spent} The rest of this run waits in the queue until then.") from None


def pass_on(context: dg.AssetExecutionContext, runtime: Runtime, days: Iterable[date]) -> None:
    """Days that are there though their run failed: what it would have made of them is made by what follows arrivals.

    Dagster makes nothing of a step that failed, not even of its good days. Where a run has only the raw layer, whoever
    launched it sees to the rest: a backfill of the UI, a command.
    """
    if dg.AssetKey(CALLS.name) in context.job_def.asset_layer.selected_asset_keys:
        runtime.arrivals.add({call.call_id: day for day in days for call in runtime.calls.partitions.calls_of(day)})


def _is_cancelled(context: dg.AssetExecutionContext, runtime: Runtime) -> bool:
    """Whether the run is of a registered backfill that somebody has cancelled meanwhile."""
    number = context.run.tags.get(BACKFILL_TAG)
    backfill = runtime.backfills.get(int(number)) if number else None
    return backfill is not None and not backfill.is_active
