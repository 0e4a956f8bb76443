"""The tags of a run: what caused it, when its work was requested, and whether it is a command's.

Pools and priorities are here too, because assets, jobs and sensors share them.
"""

from datetime import UTC, datetime

import dagster as dg

from copilot_pipeline.clients.rate_limits import BACKFILL, MANUAL
from copilot_pipeline.state import Backfills

SCHEDULE = "schedule"  # a source of requests; the others are named where they are used

CLARI_POOL = "clari_copilot"  # of the assets that cost Clari Copilot requests: one run at a time
SEMARIZE_POOL = "semarize"
# Pools of their own, one run at a time in each: a backfill holds the pool of its assets for a quarter of an hour at a
# time, and a webhook must not wait for it. The rate limit and the advisory locks are shared by all of them.
POLL_POOL = "poll"
INCREMENTAL_POOL = "incremental_run"

# Higher runs first: webhooks, then the daily run, then backfills.
INCREMENTAL_PRIORITY = {"dagster/priority": "20"}
DAILY_PRIORITY = {"dagster/priority": "10"}
BACKFILL_PRIORITY = {"dagster/priority": "-10"}

# One run holds the pool for this many days, so that the daily run can start between two of them.
DAYS_PER_RUN = 7
# Building tables costs processor time and no request: runs of a backfill work side by side. Another number than above,
# because Dagster joins assets with equal policies in one run, which would hold the pool of the API for longer.
REBUILT_DAYS_PER_RUN = 28

BACKFILL_TAG = "copilot_pipeline/backfill"  # the id of a registered backfill
REQUESTED_AT_TAG = "copilot_pipeline/requested_at"  # on the runs of a command: when it was first given, ISO 8601
DAGSTER_BACKFILL_TAG = "dagster/backfill"
RETRY_TAG = "dagster/retry_number"
_AUTOMATED = ("dagster/schedule_name", "dagster/sensor_name")

IN_PROGRESS = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def source_of(run: dg.DagsterRun) -> str:
    """The source under which the requests of a run are counted."""
    if DAGSTER_BACKFILL_TAG in run.tags or BACKFILL_TAG in run.tags:
        return BACKFILL
    return SCHEDULE if any(tag in run.tags for tag in _AUTOMATED) else MANUAL


def is_of_command(run: dg.DagsterRun) -> bool:
    """Whether a command runs it in its own process, and so reports its failure itself."""
    return REQUESTED_AT_TAG in run.tags


def requested_at(context: dg.AssetExecutionContext, backfills: Backfills) -> datetime | None:
    """When the work of a run was first requested; None if that is now.

    A run that continues earlier work does not list again what was listed since.
    """
    tags = context.run.tags
    if REQUESTED_AT_TAG in tags:
        return datetime.fromisoformat(tags[REQUESTED_AT_TAG])
    if BACKFILL_TAG in tags:
        registered = backfills.get(int(tags[BACKFILL_TAG]))
        return registered.registered_at if registered else None
    launched = context.instance.get_backfill(tags[DAGSTER_BACKFILL_TAG]) if DAGSTER_BACKFILL_TAG in tags else None
    if launched is not None:
        return datetime.fromtimestamp(launched.backfill_timestamp, UTC)
    if RETRY_TAG in tags and context.run.root_run_id:  # an automatic retry; a manual re-execution is a new request
        first = context.instance.get_run_record_by_id(context.run.root_run_id)
        return first.create_timestamp if first else None
    return None
