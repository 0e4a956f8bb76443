"""Schedules: the daily run of calls, the reference data, the poll and the hourly check for incidents.

Tables downstream of the partitions have no schedule: they are rebuilt after their inputs changed (see `conditions`).
"""

import dagster as dg

from copilot_pipeline.defs.automation.jobs import call_partitions, deliveries, poll, reference_data, removal
from copilot_pipeline.defs.partitions import DAYS, PARTITION_SETTINGS
from copilot_pipeline.defs.runs import DAILY_PRIORITY, IN_PROGRESS, INCREMENTAL_PRIORITY

_polling = PARTITION_SETTINGS.polling


@dg.schedule(
    job=call_partitions,
    cron_schedule="0 6 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every day at 06:00 UTC: yesterday, and again the days before it, for calls that were processed late.",
)
def daily_call_partitions(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
    """One run per day, newest first. A day that is complete costs one list request."""
    closed = DAYS.get_partition_keys(current_time=context.scheduled_execution_time)[:-1]
    return [
        dg.RunRequest(
            partition_key=key, run_key=f"{context.scheduled_execution_time:%Y-%m-%d}:{key}", tags=DAILY_PRIORITY
        )
        for key in reversed(closed[-_polling.recheck_days :])
    ]


@dg.schedule(
    job=poll,
    cron_schedule=f"*/{_polling.minutes} * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description=f"Every {_polling.minutes} minutes: list the calls that changed since the last poll.",
)
def periodic_poll(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """One at a time: while a poll is queued until the quota resets, further polls would only queue behind it."""
    if context.instance.get_runs_count(dg.RunsFilter(job_name=poll.name, statuses=IN_PROGRESS)):
        return dg.SkipReason("a poll is running or queued")
    return dg.RunRequest(tags=INCREMENTAL_PRIORITY)


hourly_deliveries = dg.ScheduleDefinition(
    name="hourly_deliveries",
    job=deliveries,
    cron_schedule="7 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every hour: check sinks, backlogs and the weekly quota, and report incidents.",
)

daily_reference_data = dg.ScheduleDefinition(
    name="daily_reference_data",
    job=reference_data,
    cron_schedule="30 5 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every day at 05:30 UTC: users, topics, scorecards, open deals and new accounts.",
)

nightly_removal = dg.ScheduleDefinition(
    name="nightly_removal",
    job=removal,
    cron_schedule="30 2 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night at 02:30 UTC: remove what is older than privacy.retention allows.",
)

SCHEDULES = [daily_call_partitions, daily_reference_data, nightly_removal, periodic_poll, hourly_deliveries]
