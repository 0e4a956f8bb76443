"""Detect runs whose process no longer exists, whichever run launcher started them.

Each run holds an advisory lock in PostgreSQL for as long as its process lives (`RunLock`), wherever it executes: in the
code server, in a container, in a Kubernetes Job or in a terminal. Dagster's launchers see only what they started. The
default one sees nothing after a restart, and those for Docker and Kubernetes report a run of the command line as
failed, because they find no container for it.
"""

from __future__ import annotations

import time
from functools import cached_property

import dagster as dg

# Private, because what a run launcher answers the run monitor with is not exported, and custom launchers are not
# documented: https://github.com/dagster-io/dagster/issues/5652
from dagster._core.launcher.base import CheckRunHealthResult, RunLauncher, WorkerStatus

from copilot_pipeline.config.loading import load_environment
from copilot_pipeline.defs.code_location import CodeLocations
from copilot_pipeline.postgres import database_url
from copilot_pipeline.state.locks import RUNS, AdvisoryLocks

SECONDS_TO_LOCK = 45.0  # from the start of a run until its process has loaded the code and holds its lock
SECONDS_TO_LOCK_AGAIN = 3.0


class RunLockHealth(RunLauncher):
    """Mixin for a run launcher, before it in the bases: a run that holds its lock is running.

    A crashed run is reported when its code location answers: see `CodeLocations`.
    """

    @cached_property
    def _code_locations(self) -> CodeLocations:
        return CodeLocations()

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Always."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Answer from the lock; if that is free, from the launcher, if it started the run.

        A run that the launcher cannot find has crashed if its lock is free a while after its start.
        """
        # A run whose connection was cut locks itself again immediately.
        if self._is_locked(run.run_id) or self._is_locked_after(SECONDS_TO_LOCK_AGAIN, run.run_id):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        health = self._health_without_lock(run)
        if health.status is WorkerStatus.FAILED and not self._code_locations.can_create_retry(run):
            return CheckRunHealthResult(WorkerStatus.RUNNING, "the code location does not answer")
        return health

    def _health_without_lock(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        if super().supports_check_run_worker_health:
            health = super().check_run_worker_health(run)
            if health.status in (WorkerStatus.RUNNING, WorkerStatus.SUCCESS, WorkerStatus.FAILED):
                return health
        record = self._instance.get_run_record_by_id(run.run_id)
        if record is None or record.start_time is None or time.time() - record.start_time < SECONDS_TO_LOCK:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "the process of the run no longer exists")

    def _is_locked_after(self, seconds: float, run_id: str) -> bool:
        time.sleep(seconds)
        return self._is_locked(run_id)

    def _is_locked(self, run_id: str) -> bool:
        with AdvisoryLocks(database_url(load_environment()), RUNS) as locks:
            return not locks.acquire([run_id])
