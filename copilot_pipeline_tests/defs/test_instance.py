"""A run whose process is gone is noticed, whatever ended it."""

from __future__ import annotations

import time
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.events import DagsterEvent, DagsterEventType
from dagster._core.launcher.base import WorkerStatus

from copilot_pipeline.defs.instance import SECONDS_TO_CLAIM, PipelineRunLauncher
from copilot_pipeline.postgres import Database
from copilot_pipeline.state.locks import RUNS, AdvisoryLocks


def health(database: Database, *, started_ago: float, claimed: bool) -> WorkerStatus:
    """What the launcher says of a run."""
    with dg.DagsterInstance.ephemeral() as instance, AdvisoryLocks(database.url, RUNS) as claims:
        run = instance.add_run(dg.DagsterRun("daily_calls", run_id="a-run"))
        instance.report_dagster_event(
            DagsterEvent(DagsterEventType.RUN_START.value, "daily_calls"),
            run_id=run.run_id,
            timestamp=time.time() - started_ago,
        )
        launcher = PipelineRunLauncher()
        launcher.register_instance(instance)
        claims.acquire([run.run_id] if claimed else [])
        return launcher.check_run_worker_health(run).status


def test_a_run_lives_as_long_as_its_claim(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claimed, it is alive however long it takes; unclaimed, it is dead, but for the moment it needs to begin."""
    monkeypatch.setenv("COPILOT_PIPELINE_DATABASE_URL", database.url)
    assert health(database, started_ago=10_000, claimed=True) is WorkerStatus.RUNNING
    assert health(database, started_ago=SECONDS_TO_CLAIM / 2, claimed=False) is WorkerStatus.RUNNING
    assert health(database, started_ago=2 * SECONDS_TO_CLAIM, claimed=False) is WorkerStatus.FAILED


def test_the_monitor_of_runs_is_on() -> None:
    """dagster.yaml has runs launched by the launcher that can tell, and started again when they died."""
    config = yaml.safe_load((Path(__file__).parents[2] / "dagster.yaml").read_text())
    assert config["run_launcher"]["class"] == PipelineRunLauncher.__name__
    assert config["run_monitoring"]["enabled"]
    assert config["run_retries"]["max_retries"] >= 10
    assert config["run_retries"]["retry_on_asset_or_op_failure"] is False
