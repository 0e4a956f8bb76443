"""When Dagster materializes the unpartitioned tables downstream of the partitions."""

from typing import Any

import dagster as dg

HOURLY = "0 * * * *"
MONDAY_MORNING = "0 7 * * 1"  # an hour after the daily run of calls starts

_Condition = dg.AutomationCondition[Any]


def _tick_passed(cron: str) -> _Condition:
    tick: _Condition = dg.AutomationCondition.cron_tick_passed(cron, "UTC")
    return tick.since_last_handled()


# An input that is partitioned counts as changed when any of its partitions is updated, by a run or by the incremental
# run. Requiring all of them would block these tables for ever. At most once per hour, because during working hours some
# call is scored every few minutes.
HOURLY_AFTER_INPUTS: _Condition = (
    (dg.AutomationCondition.any_deps_updated().since_last_handled() & _tick_passed(HOURLY))
    & ~dg.AutomationCondition.in_progress()
).with_label("at most hourly, after an input changed")


def weekly_after(inputs: dg.AssetSelection) -> _Condition:
    """On Mondays, once all of `inputs` were rebuilt that morning; if one of them fails, after it was rebuilt."""
    tick: _Condition = dg.AutomationCondition.cron_tick_passed(MONDAY_MORNING, "UTC")
    rebuilt = dg.AutomationCondition.all_deps_match(dg.AutomationCondition.newly_updated().since(tick)).allow(inputs)
    return (_tick_passed(MONDAY_MORNING) & rebuilt & ~dg.AutomationCondition.in_progress()).with_label(
        "weekly, after the marts of Monday morning"
    )
