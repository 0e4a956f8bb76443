"""Which runs a registered backfill launches, by the state store and Dagster's records."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from datetime import date, timedelta

import dagster as dg
import pytest

from copilot_pipeline.defs.automation.backfills import next_runs
from copilot_pipeline.postgres import Database
from copilot_pipeline.state import Backfill
from copilot_pipeline_tests.defs.opened import Opened

FIRST, LAST = date(2026, 3, 1), date(2026, 3, 17)
_RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


@pytest.fixture
def backfill(opened: Opened) -> Backfill:
    """A registered backfill of seventeen days."""
    return opened.backfills.register(FIRST, LAST, calls=None, requests=None)


def launched(instance: dg.DagsterInstance, opened: Opened, backfill: Backfill) -> list[tuple[str, ...]]:
    """The ranges of the runs that are launched now."""
    return [
        tuple(request.tags[name] for name in _RANGE)
        for request in next_runs(instance, opened.backfills, backfill, are_scored=False)
    ]


def days_are_done(database: Database, backfill: Backfill, days: Sequence[date]) -> None:
    """Mark the days as listed since the registration, stored, loaded and scored."""
    with database.connection() as connection:
        connection.execute(
            """INSERT INTO copilot_ops.partitions (call_date, listed_at, stored_at, loaded_at, scored_at)
            SELECT day, %(at)s, %(at)s, %(at)s, %(at)s FROM unnest(%(days)s::date[]) AS day""",
            {"days": list(days), "at": backfill.registered_at + timedelta(seconds=1)},
        )


def run_ended(
    instance: dg.DagsterInstance, backfill: Backfill, days: tuple[str, ...], event: dg.DagsterEventType, *, ago: float
) -> None:
    """Record a run of these days that ended `ago` seconds ago."""
    tags = {**dict(zip(_RANGE, days, strict=True)), "copilot_pipeline/backfill": str(backfill.id)}
    run = instance.add_run(dg.DagsterRun("call_partitions", run_id=str(uuid.uuid4()), tags=tags))
    for kind in (dg.DagsterEventType.RUN_START, event):
        instance.report_dagster_event(
            dg.DagsterEvent(kind.value, "call_partitions"), run_id=run.run_id, timestamp=time.time() - ago
        )


def test_launches_two_runs_newest_days_first(instance: dg.DagsterInstance, opened: Opened, backfill: Backfill) -> None:
    """Seven days a run, newest first, two of them at a time."""
    assert launched(instance, opened, backfill) == [("2026-03-11", "2026-03-17"), ("2026-03-04", "2026-03-10")]


def test_always_divides_the_days_into_the_same_runs(
    instance: dg.DagsterInstance, opened: Opened, database: Database, backfill: Backfill
) -> None:
    """With some days done, the others are launched in the same runs: a list cursor of these days stays valid."""
    days_are_done(
        database, backfill, [LAST, LAST - timedelta(days=1), *(FIRST + timedelta(days=n) for n in range(3, 10))]
    )
    assert launched(instance, opened, backfill) == [("2026-03-11", "2026-03-17"), ("2026-03-01", "2026-03-03")]


def test_finishes_when_nothing_was_new(
    instance: dg.DagsterInstance, opened: Opened, database: Database, backfill: Backfill
) -> None:
    """Days that were complete before and were only listed are done: the backfill is finished."""
    days_are_done(database, backfill, backfill.days)
    with database.connection() as connection:
        connection.execute("UPDATE copilot_ops.partitions SET stored_at = '2026-01-01', loaded_at = '2026-01-02'")
    assert launched(instance, opened, backfill) == []
    finished = opened.backfills.get(backfill.id)
    assert finished is not None
    assert finished.finished_at is not None


def test_defers_days_whose_run_failed_and_continues_with_others(
    instance: dg.DagsterInstance, opened: Opened, backfill: Backfill
) -> None:
    """They are tried again after a minute, then two, then four; meanwhile the other days are fetched."""
    newest = ("2026-03-11", "2026-03-17")
    others = [("2026-03-04", "2026-03-10"), ("2026-03-01", "2026-03-03")]
    run_ended(instance, backfill, newest, dg.DagsterEventType.RUN_FAILURE, ago=100)
    assert launched(instance, opened, backfill) == [newest, others[0]]
    run_ended(instance, backfill, newest, dg.DagsterEventType.RUN_FAILURE, ago=100)
    assert launched(instance, opened, backfill) == others


def test_does_not_launch_a_run_that_is_in_progress(
    instance: dg.DagsterInstance, opened: Opened, backfill: Backfill
) -> None:
    """It counts as one of the two."""
    tags = {
        **dict(zip(_RANGE, ("2026-03-11", "2026-03-17"), strict=True)),
        "copilot_pipeline/backfill": str(backfill.id),
    }
    instance.add_run(dg.DagsterRun("call_partitions", run_id="a", tags=tags, status=dg.DagsterRunStatus.STARTED))
    assert launched(instance, opened, backfill) == [("2026-03-04", "2026-03-10")]
