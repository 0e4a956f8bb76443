"""Partition loader: concurrent runs over the same days."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest

from copilot_pipeline.load.day_load import CallBatch
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.partition_loader import LoadedPartition, PartitionLoader
from copilot_pipeline.load.tables import CALLS
from copilot_pipeline.postgres import Database
from copilot_pipeline.state import CallStore
from copilot_pipeline_tests.load.warehouse.rows import DAY, arrow, call, column

# The lock of the partition, and not that of the transaction that replaces the day in PostgreSQL.
CUT_LOCK_HOLDERS = """SELECT pg_terminate_backend(pid) FROM pg_locks
WHERE locktype = 'advisory' AND classid = 720312 AND objid = %(day_number)s"""
CALL_IDS = "SELECT call_id FROM copilot.calls ORDER BY call_id"


class Source:
    """Calls to load; more are added while a partition is loaded."""

    def __init__(self) -> None:
        self.call_ids = ["a"]
        self.has_started = threading.Event()
        self.may_continue = threading.Event()

    def rows(self, day: date) -> Iterator[CallBatch]:
        """Yield the calls known now."""
        known = list(self.call_ids)
        yield CallBatch(known, [(CALLS, arrow(CALLS, [call(call_id, day) for call_id in known]))])

    def slowly(self, day: date) -> Iterator[CallBatch]:
        """Yield the calls known at the start, after a wait."""
        known = list(self.rows(day))
        self.has_started.set()
        assert self.may_continue.wait(20)
        yield from known


@pytest.fixture
def loader(database: Database, tmp_path: Path) -> PartitionLoader:
    return PartitionLoader(Lake(str(tmp_path)), database, CallStore(database, ZoneInfo("UTC")), [CALLS])


def test_a_slow_run_does_not_overwrite_newer_rows(loader: PartitionLoader, database: Database, tmp_path: Path) -> None:
    """A second run waits for the first and adds the call that arrived meanwhile."""
    source = Source()
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(list, loader.load([DAY], source.slowly))
        assert source.has_started.wait(20)
        source.call_ids.append("b")
        quick = pool.submit(list, loader.load([DAY], source.rows))
        with pytest.raises(TimeoutError):
            quick.result(timeout=0.5)
        source.may_continue.set()
        assert [loaded.problem for loaded in (*slow.result(20), *quick.result(20))] == [None, None]
    assert column(database, CALL_IDS) == ["a", "b"]
    assert Lake(str(tmp_path)).row_count(CALLS, DAY) == 2


def test_runs_over_the_same_days_in_opposite_order_do_not_deadlock(loader: PartitionLoader) -> None:
    """A run holds the lock of a day while it builds the next one."""

    def load_days(days: list[date]) -> list[LoadedPartition]:
        return list(loader.load(days, lambda day: iter([CallBatch([], [(CALLS, arrow(CALLS, []))])])))

    days = [DAY + timedelta(days=offset) for offset in range(15)]
    with ThreadPoolExecutor(4) as pool:
        loaded = list(pool.map(load_days, [days, days[::-1], days, days[::-1]]))
    assert [one.problem for run in loaded for one in run] == [None] * 60


def test_a_lost_lock_ends_the_load_without_a_change(
    loader: PartitionLoader, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """Another run may have loaded newer rows since; nothing is logged but that the pool drops the connection."""
    assert [loaded.problem for loaded in loader.load([DAY], Source().rows)] == [None]
    source = Source()
    source.call_ids = ["b"]
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(list, loader.load([DAY], source.slowly))
        assert source.has_started.wait(20)
        with database.connection() as connection:
            cut = connection.execute(CUT_LOCK_HOLDERS, {"day_number": DAY.toordinal()}).fetchall()
        source.may_continue.set()
        with pytest.raises(psycopg.OperationalError):
            load.result(20)
    assert len(cut) == 1
    assert column(database, CALL_IDS) == ["a"]
    assert [record for record in caplog.records if record.name != "psycopg.pool"] == []
