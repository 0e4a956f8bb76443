"""Two machines that share nothing but a database and a bucket: one is killed, and the other finishes."""

from __future__ import annotations

import io
import shutil
import signal
import time

import boto3
import pyarrow.parquet as pq
import pytest

from copilot_pipeline_tests.deploy.object_store import BUCKET, ObjectStore, running_object_store
from copilot_pipeline_tests.end_to_end.conftest import MakePipeline
from copilot_pipeline_tests.end_to_end.conftest import make_pipeline as make_pipeline
from copilot_pipeline_tests.end_to_end.pipeline import Pipeline
from copilot_pipeline_tests.end_to_end.truth import is_transcribed
from copilot_pipeline_tests.processes import Command

pytestmark = [pytest.mark.e2e, pytest.mark.faults]
_DEADLINE_SECONDS = 120
_IN_FLIGHT = 8  # details that may be on their way when a process is killed


def start_host(pipeline: Pipeline, name: str, store: ObjectStore) -> Command:
    """Start a run of all days with a home and a DAGSTER_HOME of its own."""
    home = pipeline.home.parent / name
    home.mkdir(exist_ok=True)
    variables = pipeline.environment()
    shutil.copy(variables["COPILOT_PIPELINE_CONFIG"], home / "pipeline.yaml")
    changes = {
        **store.environment(),
        "HOME": str(home),
        "COPILOT_PIPELINE_HOME": str(home),
        "COPILOT_PIPELINE_CONFIG": str(home / "pipeline.yaml"),
    }
    first, last = pipeline.days()
    return pipeline.start("run", "--from", first, "--to", last, folder=home, **changes)


def transcripts_in(store: ObjectStore) -> set[str]:
    """The calls of the table of transcripts in the bucket, read with another library."""
    client = boto3.client("s3", endpoint_url=store.url, aws_access_key_id="key", aws_secret_access_key="secret")
    listed = client.list_objects_v2(Bucket=BUCKET, Prefix="copilot/transcripts/")["Contents"]
    files = [client.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read() for item in listed if item["Size"]]
    return {call for file in files for call in pq.read_table(io.BytesIO(file)).column("call_id").to_pylist()}


def kill_when(pipeline: Pipeline, host: Command, count: str, enough: int) -> None:
    """Kill a host as soon as a counter of the sandbox reaches a number. It must not be able to end before."""
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while host.poll() is None and pipeline.sandbox.stats()[count] < enough:
        assert time.monotonic() < deadline, f"{count} never reached {enough}"
        time.sleep(0.01)
    assert host.poll() is None
    host.send_signal(signal.SIGKILL)
    host.communicate(timeout=_DEADLINE_SECONDS)


def test_hosts_are_killed_in_turn_and_another_finishes(make_pipeline: MakePipeline) -> None:
    """One while it fetches details, one while kits run; a new one finishes.

    Only details that were in flight are fetched twice, and no run is paid twice.
    """
    pipeline = make_pipeline(days=2, calls_per_day=8, requests_per_second=9)
    hosts = ("first-host", "second-host", "third-host")
    pipeline.sandbox.set_faults(semarize_stuck=True)  # no host can finish before it is killed
    with running_object_store() as store:
        first, second = (start_host(pipeline, name, store) for name in hosts[:2])
        kill_when(pipeline, first, "details_total", 6)
        kill_when(pipeline, second, "runs_created", 6)
        pipeline.sandbox.set_faults()
        third = start_host(pipeline, hosts[2], store)
        _, output = third.communicate(timeout=_DEADLINE_SECONDS)
        assert third.wait() == 0, output  # everything is fetched, loaded and scored
        expected = {call["call_id"] for call in pipeline.sandbox.truth() if is_transcribed(call)}
        assert transcripts_in(store) == expected
    assert {row["call_id"] for row in pipeline.query("SELECT call_id FROM copilot.transcripts")} == expected
    counted = pipeline.sandbox.stats()
    assert counted["details_most_for_one_call"] <= 2
    assert counted["details_total"] - len(expected) <= _IN_FLIGHT
    assert counted["runs_most_for_one_input"] == 1
    scored = pipeline.query("SELECT count(DISTINCT (call_id, kit)) AS runs FROM copilot.semarize_scores")
    assert scored[0]["runs"] == counted["runs_created"] >= len(expected)
    assert not [file for name in hosts for file in (pipeline.home.parent / name).rglob("*.parquet")]
