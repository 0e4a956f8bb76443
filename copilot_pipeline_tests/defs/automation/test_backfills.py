"""Which runs a registered backfill asks for, as the ledger and Dagster's records stand."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from datetime import date, timedelta

import dagster as dg
import pytest
from dagster._core.events import DagsterEvent, DagsterEventType

from copilot_pipeline.defs.automation.backfills import next_runs
from copilot_pipeline.postgres import Database
from copilot_pipeline.runtime import Runtime
from copilot_pipeline.state import Backfill

FIRST, LAST = date(2026, 3, 1), date(2026, 3, 17)
_RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


@pytest.fixture
def backfill(runtime: Runtime) -> Backfill:
    """Seventeen days that were asked for."""
    return runtime.backfills.register(FIRST, LAST, calls=None, requests=None)


def asked(instance: dg.DagsterInstance, runtime: Runtime, backfill: Backfill) -> list[tuple[str, ...]]:
    """The ranges of the runs it asks for now."""
    return [tuple(request.tags[name] for name in _RANGE) for request in next_runs(instance, runtime, backfill)]


def days_are_done(database: Database, backfill: Backfill, days: Sequence[date]) -> None:
    """Listed since it was registered, stored, tabulated."""
    with database.connection() as connection:
        connection.execute(
            """INSERT INTO copilot_ops.partitions (call_date, listed_at, stored_at, loaded_at, scored_at)
            SELECT day, %(at)s, %(at)s, %(at)s, %(at)s FROM unnest(%(days)s::date[]) AS day""",
            {"days": list(days), "at": backfill.registered_at + timedelta(seconds=1)},
        )


def run_ended(
    instance: dg.DagsterInstance, backfill: Backfill, days: tuple[str, ...], event: DagsterEventType, *, ago: float
) -> None:
    """A run of these days ended so many seconds ago."""
    tags = {**dict(zip(_RANGE, days, strict=True)), "copilot_pipeline/backfill": str(backfill.id)}
    run = instance.add_run(dg.DagsterRun("daily_calls", run_id=str(uuid.uuid4()), tags=tags))
    for kind in (DagsterEventType.RUN_START, event):
        instance.report_dagster_event(
            DagsterEvent(kind.value, "daily_calls"), run_id=run.run_id, timestamp=time.time() - ago
        )


def test_the_newest_days_go_first_and_two_runs_are_ahead(
    instance: dg.DagsterInstance, runtime: Runtime, backfill: Backfill
) -> None:
    """Seven days a run, newest first, two of them at a time."""
    assert asked(instance, runtime, backfill) == [("2026-03-11", "2026-03-17"), ("2026-03-04", "2026-03-10")]


def test_runs_are_cut_once_and_for_all(
    instance: dg.DagsterInstance, runtime: Runtime, database: Database, backfill: Backfill
) -> None:
    """With some days done, the others are asked for in the runs they were in: what was listed for them counts."""
    days_are_done(
        database, backfill, [LAST, LAST - timedelta(days=1), *(FIRST + timedelta(days=n) for n in range(3, 10))]
    )
    assert asked(instance, runtime, backfill) == [("2026-03-11", "2026-03-17"), ("2026-03-01", "2026-03-03")]


def test_it_ends_though_nothing_was_new(
    instance: dg.DagsterInstance, runtime: Runtime, database: Database, backfill: Backfill
) -> None:
    """Days that were complete before, and were only listed, are done: the backfill is finished."""
    days_are_done(database, backfill, backfill.days)
    with database.connection() as connection:
        connection.execute("UPDATE copilot_ops.partitions SET stored_at = '2026-01-01', loaded_at = '2026-01-02'")
    assert asked(instance, runtime, backfill) == []
    finished = runtime.backfills.get(backfill.id)
    assert finished is not None
    assert finished.finished_at is not None


def test_days_whose_run_failed_rest_and_others_go_on(
    instance: dg.DagsterInstance, runtime: Runtime, backfill: Backfill
) -> None:
    """They are tried again after a minute, after two, after four; meanwhile the days after them are brought in."""
    newest = ("2026-03-11", "2026-03-17")
    others = [("2026-03-04", "2026-03-10"), ("2026-03-01", "2026-03-03")]
    run_ended(instance, backfill, newest, DagsterEventType.RUN_FAILURE, ago=100)
    assert asked(instance, runtime, backfill) == [newest, others[0]]
    run_ended(instance, backfill, newest, DagsterEventType.RUN_FAILURE, ago=100)
    assert asked(instance, runtime, backfill) == others


def test_a_run_under_way_is_not_asked_for_again(
    instance: dg.DagsterInstance, runtime: Runtime, backfill: Backfill
) -> None:
    """It is one of the two."""
    tags = {
        **dict(zip(_RANGE, ("2026-03-11", "2026-03-17"), strict=True)),
        "copilot_pipeline/backfill": str(backfill.id),
    }
    instance.add_run(dg.DagsterRun("daily_calls", run_id="a", tags=tags, status=dg.DagsterRunStatus.STARTED))
    assert asked(instance, runtime, backfill) == [("2026-03-04", "2026-03-10")]
