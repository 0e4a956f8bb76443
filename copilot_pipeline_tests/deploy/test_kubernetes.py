"""A backfill that is launched over GraphQL runs as several Jobs, with the files of deploy/kubernetes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import pytest

from copilot_pipeline_tests.deploy.kubernetes_server import Cluster, running_cluster
from copilot_pipeline_tests.deploy.object_store import running_object_store
from copilot_pipeline_tests.deploy.pods import can_isolate
from copilot_pipeline_tests.deploy.services import Services, kept, read_settings
from copilot_pipeline_tests.end_to_end.conftest import MakePipeline
from copilot_pipeline_tests.end_to_end.conftest import make_pipeline as make_pipeline
from copilot_pipeline_tests.end_to_end.interface import TABLES
from copilot_pipeline_tests.end_to_end.truth import is_transcribed

_TIMEOUT_SECONDS = 240
pytestmark = [pytest.mark.e2e, pytest.mark.faults]


def _days(first: str, count: int) -> list[str]:
    return [(date.fromisoformat(first) + timedelta(days=number)).isoformat() for number in range(count)]


def _wait_for_a_job(cluster: Cluster) -> str:
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while not cluster.jobs:
        assert time.monotonic() < deadline, "no job"
        time.sleep(0.1)
    return next(iter(cluster.jobs))


@pytest.mark.skipif(not can_isolate(), reason="needs a user who may create mount namespaces")
def test_a_backfill_runs_as_jobs_without_a_shared_disk(make_pipeline: MakePipeline, tmp_path: Path) -> None:
    """Each run is a process with a file system of its own. One is killed with its pod, and another finishes its days; a
    `run` of the command line beside them is not taken for a crashed one. Only details that were in flight are fetched
    twice."""
    pipeline = make_pipeline(days=9, calls_per_day=6, requests_per_second=9)
    first, last = pipeline.days()
    with running_object_store() as store:
        services = Services(tmp_path, pipeline, store.environment())
        services.environment |= {"DAGSTER_K8S_NAMESPACE": "calls", "DAGSTER_CURRENT_IMAGE": "copilot-pipeline:test"}
        settings, kubeconfig = read_settings("kubernetes/base", services.home), tmp_path / "kubeconfig"
        settings["run_launcher"]["config"].update(
            load_incluster_config=False, kubeconfig_file=str(kubeconfig), dagster_home=str(services.dagster)
        )
        services.configure(settings)
        sources = {"copilot-pipeline-environment": services.environment, "copilot-pipeline-secrets": {}}
        with running_cluster(Cluster(services.start, sources), kubeconfig) as cluster, services.running():
            identity = services.interface.launch(TABLES, _days(first, 9))
            killed = _wait_for_a_job(cluster)
            while pipeline.sandbox.stats()["details_total"] < 5:
                time.sleep(0.05)
            cluster.pods[killed].kill()
            beside = subprocess.run(
                [sys.executable, "-m", "copilot_pipeline", "run", "--from", last, "--to", last, "--json"],
                env={**kept(), **services.environment, "COPILOT_PIPELINE_HOME": str(tmp_path / "terminal")},
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_SECONDS,
                check=False,
            )
            assert beside.returncode == 0, beside.stderr
            assert json.loads(beside.stdout)
            backfill = services.interface.wait_for_backfill(identity, seconds=_TIMEOUT_SECONDS)
            assert backfill["status"] == "COMPLETED_SUCCESS", backfill
            assert len(cluster.jobs) >= 3
            assert "FAILURE" in services.interface.run_statuses()  # the killed one
    stored = {row["call_id"] for row in pipeline.query("SELECT call_id FROM copilot.transcripts")}
    assert stored == {call["call_id"] for call in pipeline.sandbox.truth() if is_transcribed(call)}
    counted = pipeline.sandbox.stats()
    assert counted["details_most_for_one_call"] <= 2
    assert counted["details_total"] - len(stored) <= 8
