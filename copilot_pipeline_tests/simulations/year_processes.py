"""Dagster's part in a simulated year: jobs and sensors are executed in this process, at the times of the virtual clock.

The daemon would start a process for each run, which takes seconds. The runs, their events and tags are the real ones,
in Dagster's tables; so are the sensors. Retries of runs that wait for the weekly quota are started as the daemon does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from copilot_pipeline.config.loading import load_environment
from copilot_pipeline.definitions import build_definitions
from copilot_pipeline.defs.automation.jobs import incremental_run, scored_calls
from copilot_pipeline.defs.instance import open_instance
from copilot_pipeline.defs.resources.configured import configured_resources
from copilot_pipeline.defs.runs import CLARI_POOL

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
NO_WAITING: dict[str, Any] = {"ops": {scored_calls.name: {"config": {"linger_seconds": 0.0}}}}
AUTO_RETRY = "dagster/auto_retry_run_id"


class Processes:
    """The code location, its instance and its sensors."""

    def __init__(self) -> None:
        self._definitions = build_definitions()
        self.instance = open_instance(load_environment())
        self._repository = self._definitions.get_repository_def()

    def run(self, job: str, tags: Mapping[str, str] | None = None) -> str | None:
        """Execute a job; return why it failed, None if it succeeded."""
        result = self._definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            tags=dict(tags or {}),
            run_config={**QUIET, **(NO_WAITING if job == incremental_run.name else {})},
            raise_on_error=False,
        )
        failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
        reasons = [(one.user_failure_data.description if one.user_failure_data else str(one.error)) for one in failures]
        return (
            None
            if result.success
            else "; ".join(str(reason).strip().partition(chr(10))[0][:200] for reason in reasons) or "failed"
        )

    def tick(self, name: str) -> list[dg.RunRequest]:
        """Evaluate a sensor; return the runs that it requests."""
        sensor = self._repository.get_sensor_def(name)
        context = dg.build_sensor_context(
            instance=self.instance, repository_def=self._repository, resources=configured_resources()
        )
        with context:
            data = sensor.evaluate_tick(context)
        return list(data.run_requests or [])

    def retry_waiting(self) -> int:
        """Execute again what failed because the quota was used up; return the number of runs.

        While the limit of the pool is 0, the retries wait in the queue.
        """
        if any(
            pool.name == CLARI_POOL and pool.limit == 0 for pool in self.instance.event_log_storage.get_pool_limits()
        ):
            return 0
        filters = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], tags={"dagster/will_retry": "true"})
        failed = self.instance.get_runs(filters, limit=20)
        waiting = [run for run in failed if run.is_complete_and_waiting_to_retry]
        for run in waiting:
            kept = {name: value for name, value in run.tags.items() if not name.startswith("dagster/will_retry")}
            self.run(run.job_name, {**kept, "dagster/parent_run_id": run.run_id, "dagster/retry_number": "1"})
            self.instance.add_run_tags(run.run_id, {AUTO_RETRY: run.run_id})
        return len(waiting)
