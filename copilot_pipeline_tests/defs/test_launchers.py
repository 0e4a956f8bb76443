"""Dagster's launchers for clusters, with the rule that a run which holds its lock is running."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

# Private: what a run launcher answers the run monitor with is not exported (copilot_pipeline/defs/run_health.py).
from dagster._core.launcher.base import WorkerStatus

from copilot_pipeline.defs.launchers import PipelineK8sRunLauncher
from copilot_pipeline.defs.run_health import SECONDS_TO_LOCK
from copilot_pipeline.postgres import Database
from copilot_pipeline.state.locks import RUNS, AdvisoryLocks
from copilot_pipeline_tests.http_servers import reply, serving

NO_JOB: dict[str, Any] = {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}


def _job(**status: int) -> dict[str, Any]:
    return {"kind": "Job", "apiVersion": "batch/v1", "metadata": {"name": "a-run"}, "status": status}


@pytest.mark.parametrize(
    ("job", "is_locked", "started_seconds_ago", "expected"),
    [
        pytest.param(NO_JOB, True, 10_000, WorkerStatus.RUNNING, id="a command's run that is alive"),
        pytest.param(NO_JOB, False, 10_000, WorkerStatus.FAILED, id="a command's run that was killed"),
        pytest.param(NO_JOB, False, SECONDS_TO_LOCK / 2, WorkerStatus.RUNNING, id="a command's run that starts"),
        pytest.param(_job(failed=1), True, 10_000, WorkerStatus.RUNNING, id="a lock that outlives its Job"),
        pytest.param(_job(failed=1), False, 1, WorkerStatus.FAILED, id="a killed pod, noticed before any timeout"),
        pytest.param(_job(active=1), False, 10_000, WorkerStatus.RUNNING, id="a pod without its lock yet"),
    ],
)
def test_health_of_a_run(
    job: dict[str, Any],
    is_locked: bool,
    started_seconds_ago: float,
    expected: WorkerStatus,
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The lock decides if it is held; otherwise the cluster; where that has no Job, the time since the start."""
    monkeypatch.setenv("COPILOT_PIPELINE_DATABASE_URL", database.url)
    kubeconfig = tmp_path / "kubeconfig"
    with (
        serving(lambda _request: reply(job, 404 if job is NO_JOB else 200, Content_Type="application/json")) as cluster,
        dg.DagsterInstance.ephemeral() as instance,
        AdvisoryLocks(database.url, RUNS) as locks,
    ):
        kubeconfig.write_text(
            yaml.safe_dump(
                {
                    "current-context": "one",
                    "clusters": [{"name": "one", "cluster": {"server": cluster.url}}],
                    "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
                    "users": [{"name": "one", "user": {}}],
                }
            )
        )
        launcher = PipelineK8sRunLauncher(
            service_account_name="account",
            instance_config_map="dagster",
            dagster_home="/opt/dagster",
            load_incluster_config=False,
            kubeconfig_file=str(kubeconfig),
        )
        launcher.register_instance(instance)
        run = instance.add_run(dg.DagsterRun("call_partitions", run_id="a-run"))
        instance.report_dagster_event(
            dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, "call_partitions"),
            run_id=run.run_id,
            timestamp=time.time() - started_seconds_ago,
        )
        locks.acquire([run.run_id] if is_locked else [])
        started = instance.get_run_by_id(run.run_id)
        assert started is not None
        assert launcher.check_run_worker_health(started).status is expected
