"""A run that meets the end of the week gives its rest back to the queue, and only such a run is started again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import dagster as dg
import pytest

from copilot_pipeline.defs.calls.raw import raw_call_details
from copilot_pipeline.errors import QuotaExhausted
from copilot_pipeline.runtime import BACKFILL_TAG, Runtime

_MARK = "dagster/retry_on_asset_or_op_failure"


def tags_after(instance: dg.DagsterInstance, runtime: Runtime, tags: Mapping[str, str]) -> Mapping[str, str]:
    """The tags of a run of one day that failed."""
    result = dg.materialize(
        [raw_call_details],
        instance=instance,
        resources={"runtime": runtime},
        partition_key="2026-03-02",
        tags=dict(tags),
        raise_on_error=False,
    )
    assert not result.success
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    return run.tags


def the_server_says_the_week_is_spent(runtime: Runtime) -> None:
    """The gate is closed."""
    with pytest.raises(QuotaExhausted):
        runtime.gate().on_throttled(None, "Limit Exceeded")


def test_the_rest_goes_back_to_the_queue(instance: dg.DagsterInstance, runtime: Runtime) -> None:
    """The run is marked to be started again, and the pool is shut at once."""
    the_server_says_the_week_is_spent(runtime)
    assert tags_after(instance, runtime, {})[_MARK] == "true"


def test_another_failure_is_not_repeated_for_ever(instance: dg.DagsterInstance, runtime: Runtime) -> None:
    """A run that was started again inherits the mark; where it fails for another reason, it is not started again."""
    assert tags_after(instance, runtime, {_MARK: "true", "dagster/max_retries": "1000"})[_MARK] == "false"


def test_a_cancelled_backfill_is_not_gone_on_with(instance: dg.DagsterInstance, runtime: Runtime) -> None:
    """Its run that meets the end of the week is the last one."""
    backfill = runtime.backfills.register(date(2026, 3, 2), date(2026, 3, 2), calls=None, requests=None)
    runtime.backfills.cancel(backfill.id)
    the_server_says_the_week_is_spent(runtime)
    assert _MARK not in tags_after(instance, runtime, {BACKFILL_TAG: str(backfill.id)})
