"""The server cuts every connection while days are loaded and scored. `test_failover` does it while they are fetched."""

from __future__ import annotations

import time

import psycopg
import pytest

from copilot_pipeline_tests.end_to_end.conftest import MakePipeline
from copilot_pipeline_tests.end_to_end.truth import is_transcribed

pytestmark = pytest.mark.faults

_DEADLINE_SECONDS = 120


def test_a_run_survives_that_all_connections_are_cut(make_pipeline: MakePipeline, server_url: str) -> None:
    """The command exits with 0, or with a message to run it again; then nothing is lost, and nothing was paid twice."""
    pipeline = make_pipeline(days=2, calls_per_day=20)
    first, last = pipeline.days()
    process = pipeline.start("run", "--from", first, "--to", last, TZ="Asia/Kolkata")
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while process.poll() is None and pipeline.sandbox.stats()["runs_created"] < 10:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert process.poll() is None
    with psycopg.connect(server_url, autocommit=True) as connection:
        name = psycopg.conninfo.conninfo_to_dict(pipeline.database_url)["dbname"]
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
    _, output = process.communicate(timeout=_DEADLINE_SECONDS)
    assert process.returncode in (0, 1), output
    assert "Traceback" not in output
    pipeline.run()
    transcribed = sum(map(is_transcribed, pipeline.sandbox.truth()))
    assert pipeline.query("SELECT count(*) AS calls FROM copilot_ops.calls WHERE fetched_version = version")[0] == {
        "calls": transcribed
    }
    counted = pipeline.sandbox.stats()
    assert counted["runs_most_for_one_input"] == 1
    assert counted["details_most_for_one_call"] <= 2, counted
    settled = pipeline.sandbox.stats()["runs_created"]
    pipeline.run()
    assert pipeline.sandbox.stats()["runs_created"] == settled
    assert process.returncode == 0, output
