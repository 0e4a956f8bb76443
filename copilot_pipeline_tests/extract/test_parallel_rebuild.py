"""Days are built in several processes as in one, and killed processes leave nothing half-written."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import psutil
import pytest

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.config.loading import Settings
from copilot_pipeline.config.pipeline_file import AdvancedRebuildSettings, AdvancedSettings, PipelineFile
from copilot_pipeline.extract.parallel_rebuild import CallTableRebuild
from copilot_pipeline.extract.raw_partitions import RawPartitionWriter
from copilot_pipeline.load.call_tables import LoadedCallTables
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import CALL_TABLES
from copilot_pipeline.postgres import Database
from copilot_pipeline.state import CallStore, ReceivedDetails
from copilot_pipeline.state.bodies import pack
from copilot_pipeline_tests.load.warehouse.rows import column
from copilot_pipeline_tests.processes import running_process
from copilot_pipeline_tests.state.examples import DAY, NOON, listed_call, record

pytestmark = pytest.mark.e2e

DAYS = [DAY - timedelta(days=number) for number in range(4)]  # newest first
_WAITING = """SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
_REBUILD = """
import sys
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.extract.test_parallel_rebuild import DAYS, build

build(Database(sys.argv[1]), Lake(sys.argv[2]), processes=2)
"""


@pytest.fixture
def lake(database: Database, tmp_path: Path) -> Lake:
    """The raw files of three calls of each day."""
    lake, calls = Lake(str(tmp_path / "lake")), CallStore(database, ZoneInfo("UTC"))
    for number, day in enumerate(DAYS):
        for call in range(3):
            call_id, moment = f"c-{number}-{call}", NOON - timedelta(days=number)
            details = {
                "id": call_id,
                "time": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "status": "POST_PROCESSING_DONE",
                "users": [{"userId": "u-1", "userEmail": "dana@example.com", "personId": 1}],
                "transcript": [{"personId": 1, "text": f"Words {turn}", "start": turn} for turn in range(20)],
            }
            content = json.dumps(details)
            record(calls, listed_call(call_id, content=content, started_at=moment))
            for wanted in calls.to_fetch(DAYS, among=[call_id]):
                calls.store_details([ReceivedDetails(wanted, pack(content.encode()))])
        RawPartitionWriter(lake, calls, "rest").store(day)
    return lake


def build(database: Database, lake: Lake, *, processes: int) -> list[LoadedCallTables]:
    """Build all days in this number of processes."""
    limits = AdvancedRebuildSettings(processes=processes, min_calls=1)
    settings = Settings(environment=Environment(), pipeline=PipelineFile(advanced=AdvancedSettings(rebuild=limits)))
    return list(CallTableRebuild(settings, database, lake, force=True).build(DAYS))


def content(database: Database, lake: Lake) -> dict[str, list[str]]:
    """All rows of both stores."""
    rows = {}
    for table in CALL_TABLES:
        names = ", ".join(table.column_names)
        with database.connection() as connection:
            stored = connection.execute(f"SELECT {names} FROM copilot.{table.name}").fetchall()
        rows[f"warehouse {table.name}"] = sorted(map(repr, stored))
        rows[f"lake {table.name}"] = [
            repr(row) for day in DAYS for batch in lake.batches(table, day) for row in batch.to_pylist()
        ]
    return rows


@contextmanager
def locked_first_day(database: Database) -> Iterator[None]:
    """Lock the first day, so that the process that builds it waits."""
    with CallStore(database, ZoneInfo("UTC")).partitions.lock(DAYS[0]) as lock:
        assert lock.is_held
        yield


def wait_until_others_are_built(database: Database) -> None:
    """Wait until a process waits for the lock, and the other days are built."""
    deadline = time.monotonic() + 60
    while True:
        built = column(database, "SELECT count(DISTINCT call_date) FROM copilot.utterances") == [len(DAYS) - 1]
        if built and column(database, _WAITING) == [1]:
            return
        assert time.monotonic() < deadline, "the other days were not built"
        time.sleep(0.05)


def test_several_processes_write_what_one_writes(database: Database, lake: Lake) -> None:
    """The same rows in both stores, reported in the same order with the same numbers."""
    alone = build(database, lake, processes=1)
    rows = content(database, lake)
    assert len(rows["warehouse utterances"]) == 4 * 3 * 20
    assert build(database, lake, processes=2) == alone
    assert content(database, lake) == rows
    assert [loaded.day for loaded in alone] == DAYS


def test_the_days_of_killed_processes_are_built_nevertheless(
    database: Database, lake: Lake, caplog: pytest.LogCaptureFixture
) -> None:
    """The processes are killed while one of them waits for the lock of its day."""
    with ThreadPoolExecutor(1) as thread, caplog.at_level(logging.WARNING):
        with locked_first_day(database):
            loaded = thread.submit(build, database, lake, processes=2)
            wait_until_others_are_built(database)
            for process in multiprocessing.active_children():
                assert process.pid is not None
                os.kill(process.pid, signal.SIGKILL)
        assert [(each.day, each.problem) for each in loaded.result()] == [(day, None) for day in DAYS]
    assert "a process that built tables was killed" in caplog.text
    assert len(content(database, lake)["warehouse utterances"]) == 4 * 3 * 20


@pytest.mark.faults
def test_processes_end_with_a_killed_parent_and_leave_whole_days(database: Database, lake: Lake) -> None:
    """The day in progress has no row and no file, the others have all of theirs, and the next run builds the rest."""
    with locked_first_day(database):
        with running_process([sys.executable, "-c", _REBUILD, database.url, lake.url]) as parent:
            wait_until_others_are_built(database)
            children = psutil.Process(parent.pid).children()
            assert len(children) >= 2
        assert psutil.wait_procs(children, timeout=20)[1] == []
    rows = content(database, lake)
    assert {name: len(each) for name, each in rows.items() if name.endswith(" utterances")} == {
        "warehouse utterances": 3 * 3 * 20,
        "lake utterances": 3 * 3 * 20,
    }
    build(database, lake, processes=1)
    assert len(content(database, lake)["lake utterances"]) == 4 * 3 * 20
