"""A run whose process no longer exists is detected, whatever ended it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import dagster_postgres
import pytest
import yaml

# Private: what a run launcher answers the run monitor with is not exported (copilot_pipeline/defs/instance.py).
from dagster._core.launcher.base import WorkerStatus

import copilot_pipeline
from copilot_pipeline.defs.instance import PipelineRunLauncher
from copilot_pipeline.defs.run_health import SECONDS_TO_LOCK
from copilot_pipeline.postgres import Database
from copilot_pipeline.state.locks import RUNS, AdvisoryLocks
from copilot_pipeline_tests.defs.code_locations import run_of
from copilot_pipeline_tests.ports import free_port


def health(
    database: Database, *, started_ago: float, locked: bool, launched: dg.DagsterRun | None = None
) -> WorkerStatus:
    """The health that the launcher reports of a run."""
    with dg.DagsterInstance.ephemeral() as instance, AdvisoryLocks(database.url, RUNS) as locks:
        run = instance.add_run(launched or dg.DagsterRun("call_partitions", run_id="a-run"))
        instance.report_dagster_event(
            dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, "call_partitions"),
            run_id=run.run_id,
            timestamp=time.time() - started_ago,
        )
        launcher = PipelineRunLauncher()
        launcher.register_instance(instance)
        locks.acquire([run.run_id] if locked else [])
        return launcher.check_run_worker_health(run).status


def test_a_run_has_crashed_if_its_lock_is_free(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its lock it is running, however long it takes; without, it has crashed, unless it has just started."""
    monkeypatch.setenv("COPILOT_PIPELINE_DATABASE_URL", database.url)
    assert health(database, started_ago=10_000, locked=True) is WorkerStatus.RUNNING
    assert health(database, started_ago=SECONDS_TO_LOCK / 2, locked=False) is WorkerStatus.RUNNING
    assert health(database, started_ago=2 * SECONDS_TO_LOCK, locked=False) is WorkerStatus.FAILED


def test_a_crashed_run_is_not_reported_while_its_code_location_is_away(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster would try to create its retry once, in vain."""
    monkeypatch.setenv("COPILOT_PIPELINE_DATABASE_URL", database.url)
    launched = run_of(port=free_port())
    assert health(database, started_ago=10_000, locked=False, launched=launched) is WorkerStatus.RUNNING


def test_run_monitoring_is_enabled() -> None:
    """dagster.yaml names the launcher that detects crashed runs, and retries them."""
    config = yaml.safe_load((Path(__file__).parents[2] / "dagster.yaml").read_text())
    assert config["run_launcher"]["class"] == PipelineRunLauncher.__name__
    assert config["run_monitoring"]["enabled"]
    assert config["run_retries"]["max_retries"] >= 10
    assert config["run_retries"]["retry_on_asset_or_op_failure"] is False


@pytest.mark.e2e
def test_storage_opens_if_the_project_is_in_a_folder_with_a_percent_sign(tmp_path: Path, database_address: str) -> None:
    """The migrations of both, ours and Dagster's, are read from files in that folder."""
    folder = tmp_path / "100% of Anna's (R&D) calls"
    for package in (copilot_pipeline, dagster_postgres):
        assert package.__file__ is not None
        source = Path(package.__file__).parent
        shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(Path(__file__).parents[2] / "dagster.yaml", folder / "dagster.yaml")
    code = """
import copilot_pipeline, dagster_postgres
from copilot_pipeline.cli.connections import opened
from copilot_pipeline.defs.instance import open_instance
assert "100%" in copilot_pipeline.__file__ and "100%" in dagster_postgres.__file__
with opened() as (settings, database):
    print(open_instance(settings.environment).get_runs())
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={
            "PYTHONPATH": str(folder),
            "PATH": os.environ["PATH"],
            "COPILOT_PIPELINE_DATABASE_URL": database_address,
            "COPILOT_PIPELINE_CONFIG": "none",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"
