"""The database server fails in the middle of a run, and accepts connections again at the same address."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.postgres import database_url
from copilot_pipeline.postgres.embedded_server.account import server_account
from copilot_pipeline.postgres.embedded_server.binaries import server_programs
from copilot_pipeline.postgres.embedded_server.process import running_server, start_server, stop_server
from copilot_pipeline.postgres.embedded_server.users import is_alive
from copilot_pipeline_tests.database_server import PREFIX, memory_folder
from copilot_pipeline_tests.end_to_end.conftest import MakePipeline
from copilot_pipeline_tests.end_to_end.truth import is_transcribed

pytestmark = pytest.mark.faults

_DEADLINE_SECONDS = 120
_STORED = "SELECT call_id FROM copilot_ops.calls WHERE fetched_version IS NOT NULL"


@pytest.fixture
def data_folder() -> Iterator[Path]:
    """The data folder of a running server of this test alone, which nothing else uses."""
    home = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=memory_folder()))
    home.chmod(0o755)  # run by root, the server belongs to another user
    database_url(_at(home))
    yield home / "postgres"
    server = running_server(home / "postgres")
    assert server is not None
    stop_server(server)
    shutil.rmtree(home)


@pytest.fixture
def database_address(data_folder: Path) -> str:
    """The address of its database, without tables."""
    return database_url(_at(data_folder.parent))


def _at(home: Path) -> Environment:
    return Environment(copilot_pipeline_home=home, _env_file=None)  # type: ignore[call-arg]


def fail_over(data_folder: Path) -> None:
    """End the server and all its sessions immediately, as a crash does, and start it again."""
    server = running_server(data_folder)
    assert server is not None
    os.kill(server.process_id, signal.SIGQUIT)
    while is_alive(server.process_id):
        time.sleep(0.01)
    account = server_account(data_folder)
    start_server(data_folder, server_programs(account), account, server.socket_folder)


def test_a_run_continues_after_a_failover_of_the_database(make_pipeline: MakePipeline, data_folder: Path) -> None:
    """It exits with 0. Details that are on the disk are not fetched again, others once more; no run is paid twice.

    Details are stored without a wait for the disk: see `store_details`.
    """
    pipeline = make_pipeline(days=1, calls_per_day=12, traps=False, requests_per_second=9)
    first, last = pipeline.days()
    pipeline.sandbox.set_faults(semarize_stuck=True)  # the run cannot end before the failover
    run = pipeline.start("run", "--from", first, "--to", last)
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while run.poll() is None and pipeline.sandbox.stats()["details_total"] < 6:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    while len(stored := pipeline.query(_STORED)) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (written,) = pipeline.query("SELECT pg_current_wal_insert_lsn()::text AS position")
    pipeline.wait_for("SELECT pg_current_wal_flush_lsn() >= %s::pg_lsn AS is_so", written["position"])
    assert run.poll() is None
    fail_over(data_folder)
    pipeline.sandbox.set_faults()
    _, output = run.communicate(_DEADLINE_SECONDS)
    assert run.wait() == 0, output
    transcribed = sum(map(is_transcribed, pipeline.sandbox.truth()))
    assert pipeline.query("SELECT count(*) AS transcripts FROM copilot.transcripts") == [{"transcripts": transcribed}]
    counted = pipeline.sandbox.stats()
    assert counted["details_most_for_one_call"] <= 2
    assert {counted["details_by_call"][row["call_id"]] for row in stored} == {1}, counted
    assert counted["runs_most_for_one_input"] == 1
