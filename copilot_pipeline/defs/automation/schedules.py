"""The daily run, a second look at the last days, the reference data, the answers and the report."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from copilot_pipeline.config.loading import load_settings
from copilot_pipeline.defs.automation.jobs import ARRIVALS_PRIORITY, UNDER_WAY, arrivals, deliver, poll
from copilot_pipeline.defs.marts.report import WEEKLY_REPORT
from copilot_pipeline.defs.partitions import DAYS
from copilot_pipeline.load.tables import (
    ACCOUNTS,
    CALL_TABLES,
    DEALS,
    MART_TABLES,
    RAW_CALL_DETAILS,
    SCORE_TABLES,
    SCORECARDS,
    TOPICS,
    USERS,
)

_polling = load_settings().pipeline.polling
# The daily run goes before any backfill, whose runs are launched with a lower priority.
DAILY_PRIORITY = {"dagster/priority": "10"}

_PARTITIONED = [RAW_CALL_DETAILS.name, *(table.name for table in (*CALL_TABLES, *SCORE_TABLES))]
_REFERENCE = [USERS.name, TOPICS.name, SCORECARDS.name]

daily_calls = dg.define_asset_job(
    "daily_calls",
    selection=dg.AssetSelection.assets(*_PARTITIONED),
    description="One day, the whole way: fetch, tabulate, score.",
    tags=DAILY_PRIORITY,
)

answers = dg.define_asset_job(
    "answers",
    # The deals' table too: one deal that cannot be read must not keep the outcomes of all others out of the answers.
    selection=dg.AssetSelection.assets(DEALS.name, ACCOUNTS.name, *(table.name for table in MART_TABLES)),
    description="MEDDICC, coaching, claims, win/loss and open deals, made anew from the scores.",
    tags=DAILY_PRIORITY,
)

weekly_report_job = dg.define_asset_job(
    "weekly_report_job",
    selection=dg.AssetSelection.assets(WEEKLY_REPORT),
    description="The report as one HTML file.",
    tags=DAILY_PRIORITY,
)

reference_data = dg.define_asset_job(
    "reference_data",
    selection=dg.AssetSelection.assets(*_REFERENCE, "raw_deals", "raw_accounts"),
    description="Users, topics, scorecards, and the records of new and open deals and of new accounts.",
    tags=DAILY_PRIORITY,
)


@dg.schedule(
    job=daily_calls,
    cron_schedule="0 6 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every day at 06:00 UTC: yesterday, and again the days before it, for calls that finished late.",
)
def daily_calls_schedule(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
    """One run a day, newest first. Days already complete cost one list request each."""
    closed = [key for key in DAYS.get_partition_keys(current_time=context.scheduled_execution_time)][:-1]
    return [
        dg.RunRequest(
            partition_key=key, run_key=f"{context.scheduled_execution_time:%Y-%m-%d}:{key}", tags=DAILY_PRIORITY
        )
        for key in reversed(closed[-_polling.recheck_days :])
    ]


answers_schedule = dg.ScheduleDefinition(
    name="answers_schedule",
    job=answers,
    cron_schedule="0 8 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every day at 08:00 UTC, after the daily run: the answers.",
)

weekly_report_schedule = dg.ScheduleDefinition(
    name="weekly_report_schedule",
    job=weekly_report_job,
    cron_schedule="0 9 * * 1",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every Monday at 09:00 UTC, after the answers: the report on the week before.",
)


@dg.schedule(
    job=poll,
    cron_schedule=f"*/{_polling.minutes} * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every few minutes: what changed since the last poll.",
)
def poll_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """One at a time: while a poll waits for the week's reset, the next ones would only queue up behind it."""
    if context.instance.get_runs_count(dg.RunsFilter(job_name=poll.name, statuses=UNDER_WAY)):
        return dg.SkipReason("a poll is under way, or waits in the queue")
    return dg.RunRequest(tags=ARRIVALS_PRIORITY)


watch_schedule = dg.ScheduleDefinition(
    name="watch_schedule",
    job=deliver,
    cron_schedule="7 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every hour: is a sink down, does a backlog grow, is the budget spent?",
)

reference_schedule = dg.ScheduleDefinition(
    name="reference_data_schedule",
    job=reference_data,
    cron_schedule="30 5 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every day at 05:30 UTC: users, topics, scorecards, open deals, new accounts.",
)

ALL_JOBS: list[dg.JobDefinition | UnresolvedAssetJobDefinition] = [
    daily_calls,
    reference_data,
    answers,
    weekly_report_job,
    poll,
    arrivals,
    deliver,
]
ALL_SCHEDULES = [
    daily_calls_schedule,
    answers_schedule,
    weekly_report_schedule,
    poll_schedule,
    watch_schedule,
    reference_schedule,
]
