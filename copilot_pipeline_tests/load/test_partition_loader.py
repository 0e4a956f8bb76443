"""Landing: several runs may make the same tables at the same time, and nothing older ends up on top."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.partition_loader import LoadedPartition, PartitionLoader, Rows
from copilot_pipeline.load.tables import CALLS
from copilot_pipeline.postgres import Database
from copilot_pipeline.state import CallStore
from copilot_pipeline_tests.load.warehouse.rows import DAY, arrow, call, column

CALL_IDS = "SELECT call_id FROM copilot.calls ORDER BY call_id"


class World:
    """What there is to be made into tables: it grows while tables are made of it."""

    def __init__(self) -> None:
        self.call_ids = ["a"]
        self.has_read = threading.Event()
        self.may_go_on = threading.Event()

    def rows(self, day: date) -> Iterator[Rows]:
        """What there is now."""
        known = list(self.call_ids)
        yield Rows(known, [(CALLS, arrow(CALLS, [call(call_id, day) for call_id in known]))])

    def slowly(self, day: date) -> Iterator[Rows]:
        """What there was when it began."""
        found = list(self.rows(day))
        self.has_read.set()
        assert self.may_go_on.wait(20)
        yield from found


@pytest.fixture
def landing(database: Database, tmp_path: Path) -> PartitionLoader:
    return PartitionLoader(Lake(str(tmp_path)), database, CallStore(database, ZoneInfo("UTC")), [CALLS])


def test_the_run_that_ends_last_has_seen_everything(
    landing: PartitionLoader, database: Database, tmp_path: Path
) -> None:
    """A run that began before a call arrived and ends after another run has made the same day does not take the call
    away again, neither from Postgres nor from Parquet."""
    world = World()
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(list, landing.load([DAY], world.slowly))
        assert world.has_read.wait(20)
        world.call_ids.append("b")
        quick = pool.submit(list, landing.load([DAY], world.rows))
        with pytest.raises(TimeoutError):
            quick.result(timeout=0.5)
        world.may_go_on.set()
        assert [landed.problem for landed in (*slow.result(20), *quick.result(20))] == [None, None]
    assert column(database, CALL_IDS) == ["a", "b"]
    assert Lake(str(tmp_path)).row_count(CALLS, DAY) == 2


def test_runs_over_the_same_days_in_any_order_never_wait_for_each_other(landing: PartitionLoader) -> None:
    """Each holds a day while it makes the next; two that go in opposite directions both end, with no day refused."""

    def over(days: list[date]) -> list[LoadedPartition]:
        return list(landing.load(days, lambda day: iter([Rows([], [(CALLS, arrow(CALLS, []))])])))

    days = [DAY + timedelta(days=offset) for offset in range(15)]
    with ThreadPoolExecutor(4) as pool:
        landed = list(pool.map(over, [days, days[::-1], days, days[::-1]]))
    assert [one.problem for run in landed for one in run] == [None] * 60
