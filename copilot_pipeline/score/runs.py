"""Create and poll Semarize runs: one paid run per call, kit and transcript.

Many runs are in progress while few requests are in flight: a run is created, queued with the time of its next poll, and
polled when that is due. Temporary failures are queued as well, with backoff; a 429 pauses all requests. The intent is
stored before the request and the run id right after it, so a crash at any moment does not pay for a run twice.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from datetime import date
from types import TracebackType

from copilot_pipeline.clients.adaptive_concurrency import AdaptiveConcurrency
from copilot_pipeline.clients.semarize import Kit, SemarizeClient
from copilot_pipeline.errors import (
    CredentialsRefused,
    GarbledResponse,
    PipelineError,
    RequestRefused,
    TemporaryFailure,
    UnreadableBody,
)
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.progress import NoProgress, Progress
from copilot_pipeline.score.day_progress import DayProgress, ScoredPartition
from copilot_pipeline.score.kit_gate import KitGate
from copilot_pipeline.score.run_executor import RunExecutor
from copilot_pipeline.score.run_queue import RunQueue
from copilot_pipeline.score.run_requests import RunTask, SemarizeRunSettings, open_tasks, timeout_seconds
from copilot_pipeline.score.transcripts import read_transcripts
from copilot_pipeline.state import AdvisoryLocks, SemarizeRunStore

STEP = "Semarize runs"
WEBHOOK_CHECK_SECONDS = 1.0  # between two checks of the inbox for finished runs


class SemarizeRunner:
    """Creates and polls the runs of some days until they end.

    Use `run` for a fixed list of days, `add` and `poll` while more days arrive.

    Use it as a context manager for `poll`. On exit, requests in flight are finished; open runs are collected by a later
    runner.
    """

    def __init__(
        self,
        client: SemarizeClient,
        store: SemarizeRunStore,
        lake: Lake,
        kits: Sequence[Kit],
        settings: SemarizeRunSettings,
        locks: AdvisoryLocks,
        *,
        progress: Progress | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._lake = lake
        self._kits = kits
        self._settings = settings
        self._progress = progress or NoProgress()
        self._monotonic = monotonic
        self._executor = RunExecutor(client, store, locks, settings, monotonic=monotonic)
        self._workers = ThreadPoolExecutor(settings.requests_in_flight, thread_name_prefix="semarize")
        self._concurrency = AdaptiveConcurrency(settings.requests_in_flight, settings.give_up_after_seconds)
        self._unread: deque[Iterator[RunTask]] = deque()  # runs of days whose transcripts are not all read
        self._queue = RunQueue()
        self._gate = KitGate()
        self._in_flight: dict[Future[float | None], RunTask] = {}
        self._days = DayProgress()
        self._fatal: BaseException | None = None  # concerns all days; nothing is requested after it
        self._inbox_checked_at = 0.0

    def __enter__(self) -> SemarizeRunner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._workers.shutdown(wait=True)
        self._handle_responses()
        for kit in self._kits:
            if kit.name in self._gate.unknown_kits:
                self._store.postpone(kit.name, kit.reference)

    def run(self, days: Sequence[date]) -> Iterator[ScoredPartition]:
        """Yield each day when all of its runs have ended or are given up for now.

        Errors that concern all days (refused credentials, a server that is down) are raised after the responses of
        requests in flight are stored.
        """
        for day in sorted(days, reverse=True):
            self.add(day)
        with self:
            while True:
                self._fill()
                yield from self._days.take_finished()
                if not (self._queue or self._in_flight):
                    break
                self._step(None)
        if self._fatal is not None:
            raise self._fatal

    def add(self, day: date, call_ids: Collection[str] | None = None) -> None:
        """Score the transcripts of a day as well, or only those of some of its calls."""
        self._days.start_day(day)
        self._unread.append(self._tasks(day, call_ids))

    def poll(self, timeout: float) -> list[ScoredPartition]:
        """Send due requests and handle responses for at most `timeout` seconds.

        Returns the days of which a run has ended or is given up, with their problems. Raises an error that concerns
        all days once no request is in flight.
        """
        self._fill()
        if self._queue or self._in_flight:
            self._step(timeout)
        if self._fatal is not None and not self._in_flight:
            raise self._fatal
        return self._days.take_changed()

    def expedite(self, run_ids: Collection[str]) -> None:
        """Read these runs immediately, because a webhook reports that they have ended."""
        self._queue.expedite(run_ids)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is in progress and nothing is left to start."""
        return not (self._unread or self._queue or self._in_flight)

    def calls_in_progress(self, day: date) -> set[str]:
        """Return the calls of a day with a run in progress."""
        return self._days.calls_in_progress(day)

    # --- start runs ----------------------------------------------------------------------------------------------

    def _fill(self) -> None:
        """Queue runs up to the limit. Transcripts are large, so they are read when they are needed."""
        while self._unread and self._has_capacity():
            task = next(self._unread[0], None)
            if task is None:
                self._unread.popleft()
            elif not self._end_without_kit(task):
                self._queue.push(task, self._monotonic())

    def _has_capacity(self) -> bool:
        open_runs = len(self._queue) + len(self._gate) + len(self._in_flight)
        return self._fatal is None and open_runs < self._settings.runs_in_flight

    def _tasks(self, day: date, call_ids: Collection[str] | None) -> Iterator[RunTask]:
        """Register the runs of a day and yield the open ones that are not in progress."""
        for batch in read_transcripts(self._lake, day, self._kits, with_text=True):
            selected = [transcript for transcript in batch if call_ids is None or transcript.call_id in call_ids]
            in_progress = self._days.in_progress
            tasks, withheld = open_tasks(self._store, selected, day, self._kits, self._settings, in_progress)
            self._days.start_runs(day, tasks, len(selected), withheld)
            self._progress.expect(STEP, len(tasks))
            yield from tasks
        self._days.end_reading(day)

    # --- send requests -------------------------------------------------------------------------------------------

    def _step(self, timeout: float | None) -> None:
        self._send_due_requests()
        self._wait(timeout)
        self._expedite_completed_runs()
        self._handle_responses()

    def _send_due_requests(self) -> None:
        now = self._monotonic()
        while self._queue and self._next_request_at() <= now and self._has_free_slot():
            task = self._queue.pop()
            if self._end_without_kit(task) or not self._gate.admit(task):
                continue
            if task.deadline is None:
                task.deadline = now + timeout_seconds(task.run, self._settings)
            self._in_flight[self._workers.submit(copy_context().run, self._executor.advance, task)] = task

    def _next_request_at(self) -> float:
        return max(self._queue.next_due_at, self._concurrency.paused_until)

    def _has_free_slot(self) -> bool:
        return len(self._in_flight) < self._concurrency.limit

    def _wait(self, timeout: float | None) -> None:
        """Wait for a response, for the next due request, or for the timeout; with queued runs at most a second."""
        seconds = timeout
        if self._queue and self._has_free_slot():
            until_due = max(0.0, min(self._next_request_at() - self._monotonic(), WEBHOOK_CHECK_SECONDS))
            seconds = until_due if seconds is None else min(until_due, seconds)
        if self._in_flight:
            wait(self._in_flight, timeout=seconds, return_when=FIRST_COMPLETED)
        elif seconds:
            time.sleep(seconds)

    def _expedite_completed_runs(self) -> None:
        """Read runs that a webhook reported as ended before their next poll is due."""
        now = self._monotonic()
        if now < self._inbox_checked_at + WEBHOOK_CHECK_SECONDS:
            return
        self._inbox_checked_at = now
        polled = {task.run.run_id: task for task in self._queue if task.run.run_id and not task.is_expedited}
        completed = self._store.completed_by_webhook([run_id for run_id in polled if run_id]) if polled else set()
        if completed:
            self.expedite(completed)
        for run_id in completed:
            polled[run_id].is_expedited = True  # only once: if the run is still open, it is polled as usual

    # --- handle responses ----------------------------------------------------------------------------------------

    def _handle_responses(self) -> None:
        for future in [future for future in self._in_flight if future.done()]:
            task = self._in_flight.pop(future)
            error = future.exception()
            for task_to_repeat in self._gate.on_response(task, error):
                self._queue.push(task_to_repeat, self._monotonic())
            if error is None:
                self._concurrency.on_success()
                task.failures, task.garbled = 0, None
                delay, reason = future.result(), "Semarize has not finished it yet"
            elif isinstance(error, TemporaryFailure):
                delay, reason = self._on_temporary_failure(task, error), str(error)
            else:
                delay, reason = None, ""
                self._on_permanent_failure(task, error)
            if delay is None or self._fatal is not None or not self._requeue(task, delay, reason):
                self._days.end_run(task)
                self._progress.advance(STEP)

    def _end_without_kit(self, task: RunTask) -> bool:
        """End a run that cannot be created, because Semarize does not know its kit. Return whether it is one."""
        kit = self._gate.unknown(task)
        if kit is None:
            return False
        self._days.add_unknown_kit(task, kit)
        self._days.end_run(task)
        self._progress.advance(STEP)
        return True

    def _requeue(self, task: RunTask, delay: float, reason: str) -> bool:
        """Queue the next request of a run.

        Returns False if it is given up because of its deadline.
        """
        due_at = self._monotonic() + delay
        if due_at <= (task.deadline or 0.0):
            self._queue.push(task, due_at)
            return True
        self._schedule_retry(task, f"{reason}; run again to collect it, it is not paid twice")
        return False

    def _on_temporary_failure(self, task: RunTask, error: TemporaryFailure) -> float | None:
        """Return the seconds until the next attempt.

        None if the server is down, which ends all runs.
        """
        task.failures += 1
        task.garbled = error if isinstance(error, GarbledResponse) else None
        delay = self._concurrency.on_failure(error, self._monotonic(), task.failures)
        if delay is None:
            self._abort(TemporaryFailure(f"{error}; all requests have failed for a while: run the same days again"))
            self._days.add_problem(task, str(error))
        return delay

    def _on_permanent_failure(self, task: RunTask, error: BaseException) -> None:
        if (unknown := self._gate.unknown(task)) is not None:
            # Not stored as refused: once the kit is published, the same transcripts are requested again.
            self._days.add_unknown_kit(task, unknown)
            return
        problem = str(error)
        if isinstance(error, RequestRefused) and task.run.run_id is None:
            self._store.mark_refused(task.run, error.code, str(error))
            self._progress.note(f"call {task.run.call_id}, kit {task.run.kit}: {error}")
            return
        elif isinstance(error, CredentialsRefused) or not isinstance(error, PipelineError):
            self._abort(error)
        if isinstance(error, UnreadableBody) and error.body is not None:
            self._store.quarantine(task.run, problem, error.body)
        self._schedule_retry(task, problem)

    def _schedule_retry(self, task: RunTask, problem: str) -> None:
        """Leave the run to a later attempt."""
        if task.garbled is not None:
            self._store.quarantine(task.run, str(task.garbled), task.garbled.body)
        if self._fatal is None:
            self._store.schedule_retry(task.run)
        self._days.add_problem(task, problem)

    def _abort(self, error: BaseException) -> None:
        """Abandon all queued runs because of an error that concerns all days."""
        self._fatal = self._fatal or error
        for task in (*self._queue.clear(), *self._gate.clear()):
            self._days.add_problem(task, "not requested yet")
            self._days.end_run(task)
