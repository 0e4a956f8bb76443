"""A run that uses up the weekly quota is requeued, and only such a run is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import dagster as dg
import pytest

from copilot_pipeline.defs.calls.assets import raw_call_details
from copilot_pipeline.defs.resources.configured import configured_resources
from copilot_pipeline.defs.runs import BACKFILL_TAG
from copilot_pipeline.errors import QuotaExhausted
from copilot_pipeline_tests.defs.opened import Opened

_MARK = "dagster/retry_on_asset_or_op_failure"


def tags_after(instance: dg.DagsterInstance, tags: Mapping[str, str]) -> Mapping[str, str]:
    """The tags of a run of one day that failed."""
    result = dg.materialize(
        [raw_call_details],
        instance=instance,
        resources=configured_resources(),
        partition_key="2026-03-02",
        tags=dict(tags),
        raise_on_error=False,
    )
    assert not result.success
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    return run.tags


def use_up_the_weekly_quota(opened: Opened) -> None:
    """Close the rate limiter, as if the server had refused for the week."""
    with pytest.raises(QuotaExhausted):
        opened.rate_limiter.limiter("manual").on_throttled(None, "Limit Exceeded")


def test_requeues_a_run_when_the_quota_is_used_up(instance: dg.DagsterInstance, opened: Opened) -> None:
    """The run is marked to be retried, and the limit of its pool is 0 immediately."""
    use_up_the_weekly_quota(opened)
    assert tags_after(instance, {})[_MARK] == "true"


def test_does_not_retry_another_failure(instance: dg.DagsterInstance, opened: Opened) -> None:
    """A retry inherits the mark; if it fails for another reason, it is not retried again."""
    assert tags_after(instance, {_MARK: "true", "dagster/max_retries": "1000"})[_MARK] == "false"


def test_does_not_requeue_a_run_of_a_cancelled_backfill(instance: dg.DagsterInstance, opened: Opened) -> None:
    """Its run that uses up the quota is the last one."""
    backfill = opened.backfills.register(date(2026, 3, 2), date(2026, 3, 2), calls=None, requests=None)
    opened.backfills.cancel(backfill.id)
    use_up_the_weekly_quota(opened)
    assert _MARK not in tags_after(instance, {BACKFILL_TAG: str(backfill.id)})
