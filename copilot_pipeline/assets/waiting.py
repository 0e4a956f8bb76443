"""A run that meets the end of the week's budget keeps what it has and gives the rest back to the queue."""

from collections.abc import Iterator
from typing import TypeVar

import dagster as dg

from copilot_pipeline.errors import BudgetSpent
from copilot_pipeline.runtime import Runtime

Report = TypeVar("Report")
# Dagster starts a run anew that fails with these tags; it waits in the queue for as long as the valve is shut.
_AGAIN = {"dagster/max_retries": "1000", "dagster/retry_on_asset_or_op_failure": "true"}


def giving_back(context: dg.AssetExecutionContext, runtime: Runtime, reports: Iterator[Report]) -> Iterator[Report]:
    """Passes reports on. Where the budget ends, the run is marked to be started again after the reset."""
    try:
        yield from runtime.noticing_fatal(reports)
    except BudgetSpent as spent:
        if runtime.is_of_a_command:
            raise
        context.instance.event_log_storage.set_concurrency_slots("clari_copilot", 0)
        context.instance.add_run_tags(context.run_id, _AGAIN)
        raise dg.Failure(f"{spent} The rest of this run waits in the queue until then.") from None
