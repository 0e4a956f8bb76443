"""Dagster's own storage, on the pipeline's database.

`dagster.yaml` names the class below, so that `dagster dev`, the daemon, the UI and our commands all keep runs and
events in the same PostgreSQL, named or embedded, without an address in the file.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.instance.ref import InstanceRef
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from sqlalchemy.exc import ProgrammingError

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.config.loading import load_environment
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres import database_url, open_connection
from copilot_pipeline.state.locks import RUNS, AdvisoryLocks

CONFIG_FILE = "dagster.yaml"
STATEMENT_TIMEOUT_MS = 120_000
RECYCLE_SECONDS = 1800
INSUFFICIENT_PRIVILEGE = "42501"  # PostgreSQL's code
MOST_CONNECTIONS = 20
SECONDS_TO_CLAIM = 45.0
_NOT_CAPTURED = {
    "module": "dagster._core.storage.noop_compute_log_manager",
    "class": "NoOpComputeLogManager",
    "config": {},
}


class PipelineStorage(DagsterPostgresStorage):
    """DagsterPostgresStorage on the address that the pipeline's settings give."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """No configuration: the address comes from the environment."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> PipelineStorage:
        """Storage on the database in use, started if it is the embedded one."""
        url = database_url(load_environment())
        with open_connection(url):  # Dagster would try again and again, and end in a traceback
            pass
        try:
            storage = PipelineStorage(postgres_url=url, should_autocreate_tables=True, inst_data=inst_data)
        except ProgrammingError as error:
            if getattr(error.orig, "pgcode", None) != INSUFFICIENT_PRIVILEGE:
                raise
            raise ConfigurationError(
                "the database user may not create Dagster's tables: GRANT CREATE ON SCHEMA public to it, or name "
                "another user in COPILOT_PIPELINE_DATABASE_URL."
            ) from None
        storage.keep_connections()
        return storage

    def keep_connections(self) -> None:
        """Holds a connection open in each part, as Dagster does for its webserver.

        Without it every single event opens a connection of its own, which takes longer than all the rest of it.
        """
        for part in (self.run_storage, self.event_log_storage, self.schedule_storage):
            part.optimize_for_webserver(
                statement_timeout=STATEMENT_TIMEOUT_MS, pool_recycle=RECYCLE_SECONDS, max_overflow=MOST_CONNECTIONS
            )


class PipelineRunLauncher(dg.DefaultRunLauncher):
    """Runs are processes of the code server, and each holds a claim in PostgreSQL for as long as it lives.

    Dagster's own launcher cannot tell whether a process from before a restart is still there: after a power cut its run
    would stay "started" for ever and keep its pool. Here the monitor of runs sees that nobody holds the claim.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        """It can tell."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Dead where nobody holds the claim a while after the start: a process takes it once it has loaded the code."""
        record = self._instance.get_run_record_by_id(run.run_id)
        if record is None or record.start_time is None or time.time() - record.start_time < SECONDS_TO_CLAIM:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        with AdvisoryLocks(database_url(load_environment()), RUNS) as claims:
            if claims.acquire([run.run_id]):
                return CheckRunHealthResult(WorkerStatus.FAILED, "its process is gone")
        return CheckRunHealthResult(WorkerStatus.RUNNING)


def speed_up_events() -> None:
    """Has the events at a run's end written together, in this process and those it starts: ten times quicker."""
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "100")


def dagster_home(environment: Environment) -> Path:
    """The folder of Dagster's files, with the project's `dagster.yaml` in it. Exported as DAGSTER_HOME."""
    speed_up_events()
    named = os.environ.get("DAGSTER_HOME")
    if named:
        return Path(named)
    home = environment.home / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(project_root() / CONFIG_FILE, home / CONFIG_FILE)
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def project_root() -> Path:
    """The folder of the checkout."""
    return Path(__file__).resolve().parents[2]


def open_instance(environment: Environment) -> dg.DagsterInstance:
    """The instance that the UI shows too, for a command.

    What a command prints goes to its terminal and nowhere else: captured like a worker's, its progress would come late,
    by way of a file and two more processes, which complain on Ctrl-C.
    """
    home = dagster_home(environment)
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home), overrides={"compute_logs": _NOT_CAPTURED}))
