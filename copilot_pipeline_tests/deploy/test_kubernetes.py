"""A backfill that is launched over GraphQL runs as several Jobs, with the files of deploy/kubernetes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml

from copilot_pipeline_tests.deploy.kubernetes_server import Cluster, running_cluster
from copilot_pipeline_tests.deploy.object_store import running_object_store
from copilot_pipeline_tests.deploy.pods import Pod, can_isolate
from copilot_pipeline_tests.end_to_end.conftest import MakePipeline
from copilot_pipeline_tests.end_to_end.conftest import make_pipeline as make_pipeline
from copilot_pipeline_tests.end_to_end.interface import TABLES, UserInterface, free_port
from copilot_pipeline_tests.end_to_end.pipeline import Pipeline
from copilot_pipeline_tests.end_to_end.truth import is_transcribed

BASE = Path(__file__).parents[2] / "deploy" / "kubernetes" / "base"
_TIMEOUT_SECONDS = 240
pytestmark = [pytest.mark.e2e, pytest.mark.faults]


@dataclass(frozen=True)
class Deployment:
    """The services of the deployment, each with a file system of its own."""

    interface: UserInterface
    cluster: Cluster
    environment: Mapping[str, str]

    def wait_for_job(self, number: int) -> str:
        """Wait until this many Jobs exist; return the name of the last one."""
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while len(self.cluster.jobs) < number:
            assert time.monotonic() < deadline, f"{len(self.cluster.jobs)} jobs"
            time.sleep(0.1)
        return list(self.cluster.jobs)[number - 1]


@contextmanager
def deployed(pipeline: Pipeline, store: Mapping[str, str], folder: Path) -> Iterator[Deployment]:
    """Run code location, UI, daemon and the API of a cluster with the configuration of deploy/kubernetes/base."""
    dagster, home, logs = folder / "dagster", folder / "pod", folder / "logs"
    dagster.mkdir()
    logs.mkdir()
    code_port, ui_port = free_port(), free_port()
    config = yaml.safe_load((BASE / "dagster.yaml").read_text().replace("/var/lib/copilot-pipeline", str(home)))
    launcher = config["run_launcher"]["config"]
    kubeconfig = folder / "kubeconfig"
    launcher.update(load_incluster_config=False, kubeconfig_file=str(kubeconfig), dagster_home=str(dagster))
    (dagster / "dagster.yaml").write_text(yaml.safe_dump(config))
    workspace = dagster / "workspace.yaml"
    workspace.write_text((BASE / "workspace.yaml").read_text().replace("4000", str(code_port)))
    environment = {
        **pipeline.environment(**store),
        "COPILOT_PIPELINE_HOME": str(home),
        "DAGSTER_CODE_HOST": "127.0.0.1",
        "DAGSTER_K8S_NAMESPACE": "copilot-pipeline",
        "DAGSTER_HOME": str(dagster),
        "DAGSTER_CURRENT_IMAGE": "copilot-pipeline:test",
    }

    def start(name: str, command: Sequence[str], variables: Mapping[str, str]) -> Pod:
        program = [sys.executable, "-m", *command] if command[0] == "dagster" else [sys.executable, *command]
        return Pod(program, home=home, environment={**kept(), **variables}, log=logs / name)

    sources = {"copilot-pipeline-environment": environment, "copilot-pipeline-secrets": {}}
    with ExitStack() as stack:
        cluster = stack.enter_context(running_cluster(Cluster(start, sources), kubeconfig))
        code = ["dagster", "api", "grpc", "-h", "127.0.0.1", "-p", str(code_port), "-m", "copilot_pipeline.definitions"]
        ui = ["-m", "copilot_pipeline", "ui", "--port", str(ui_port), "--workspace", str(workspace)]
        daemon = ["-m", "dagster._daemon", "run", "-w", str(workspace)]
        interface = UserInterface(ui_port, 0)
        pods = [start(name, command, environment) for name, command in (("code", code), ("ui", ui), ("daemon", daemon))]
        for pod in pods:
            stack.callback(pod.kill)
        interface.wait_until_loaded(pods[1].process)
        yield Deployment(interface, cluster, environment)


def _days(first: str, count: int) -> list[str]:
    return [(date.fromisoformat(first) + timedelta(days=number)).isoformat() for number in range(count)]


def kept() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "TMPDIR") if name in os.environ}


@pytest.mark.skipif(not can_isolate(), reason="needs a user who may create mount namespaces")
def test_a_backfill_runs_as_jobs_without_a_shared_disk(make_pipeline: MakePipeline, tmp_path: Path) -> None:
    """Each run is a process with a file system of its own. One is killed with its pod, and another finishes its days; a
    `run` of the command line beside them is not taken for a crashed one. Only details that were in flight are fetched
    twice."""
    pipeline = make_pipeline(days=9, calls_per_day=6, requests_per_second=9)
    first, last = pipeline.days()
    with running_object_store() as store, deployed(pipeline, store.environment(), tmp_path) as deployment:
        identity = deployment.interface.launch(TABLES, _days(first, 9))
        killed = deployment.wait_for_job(1)
        while pipeline.sandbox.stats()["details_total"] < 5:
            time.sleep(0.05)
        deployment.cluster.pods[killed].kill()
        command = [sys.executable, "-m", "copilot_pipeline", "run", "--from", last, "--to", last, "--json"]
        beside = subprocess.run(
            command,
            env={**kept(), **deployment.environment, "COPILOT_PIPELINE_HOME": str(tmp_path / "terminal")},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
        assert beside.returncode == 0, beside.stderr
        assert json.loads(beside.stdout)
        backfill = deployment.interface.wait_for_backfill(identity, seconds=_TIMEOUT_SECONDS)
        assert backfill["status"] == "COMPLETED_SUCCESS", backfill
        assert len(deployment.cluster.jobs) >= 3
        assert "FAILURE" in deployment.interface.run_statuses()  # the killed one
    stored = {row["call_id"] for row in pipeline.query("SELECT call_id FROM copilot.transcripts")}
    assert stored == {call["call_id"] for call in pipeline.sandbox.truth() if is_transcribed(call)}
    counted = pipeline.sandbox.stats()
    assert counted["details_most_for_one_call"] <= 2
    assert counted["details_total"] - len(stored) <= 8
