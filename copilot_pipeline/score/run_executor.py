"""Send one request about one run and store the response."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from copilot_pipeline.clients.semarize import RunState, SemarizeClient, next_poll_seconds
from copilot_pipeline.score.run_requests import RunTask, SemarizeRunSettings
from copilot_pipeline.state import AdvisoryLocks, SemarizeRunStore

LOCKED_RETRY_SECONDS = 0.5  # until a run that another process is creating is read from the state store


class RunExecutor:
    """Creates and reads runs.

    Thread-safe; a task must be used by one thread at a time.

    The run id is stored right after the response, so a crash at any moment does not pay for a run twice.
    """

    def __init__(
        self,
        client: SemarizeClient,
        store: SemarizeRunStore,
        locks: AdvisoryLocks,
        settings: SemarizeRunSettings,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._store = store
        self._locks = locks
        self._settings = settings
        self._monotonic = monotonic

    def advance(self, task: RunTask) -> float | None:
        """Create the run, or read its state.

        Return the seconds until the next request; None if it has ended.
        """
        if task.run.run_id is None:
            return self._create(task)
        state = self._client.read(task.run.run_id)
        task.polls += 1
        return self._record(task, state)

    def _create(self, task: RunTask) -> float | None:
        """Create the run, unless another process is creating it or has created it."""
        lock = f"{task.run.kit}:{task.run.call_id}"
        if not self._locks.acquire([lock]):
            return LOCKED_RETRY_SECONDS
        try:
            rescore_id, task.run = task.run.rescore_id, self._store.refresh(task.run)
            # A run of a newer rescore request is created by the process that made the request.
            if not task.run.is_open or task.run.rescore_id != rescore_id:
                return None
            if task.run.run_id is not None:
                return 0.0
            return self._record(task, self._client.create(task.request), is_new=True)
        finally:
            self._locks.release([lock])

    def _record(self, task: RunTask, state: RunState, *, is_new: bool = False) -> float | None:
        if state.status.is_terminal:
            self._store.mark_finished(
                task.run,
                run_id=state.run_id,
                status=state.status.value,
                kit_version_id=state.kit_version_id,
                duration_ms=state.duration_ms,
                error_code=state.error_code,
                error_message=state.error_message,
                answer=state.body,
            )
            return None
        if is_new:
            self._store.mark_created(task.run, state.run_id, state.status.value)
            task.run = replace(task.run, run_id=state.run_id, status=state.status.value)
            task.deadline = self._monotonic() + self._settings.give_up_after_seconds
        return next_poll_seconds(task.polls, state.poll_after_seconds)
