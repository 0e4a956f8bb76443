"""Scoring: one paid Semarize run per call, kit and transcript, then the score tables of a day.

Many runs are in flight while few requests are: a run is created, put back with the time of its next poll, and whoever
is due next is asked about. What fails for a moment is put back as well, and the server's own wishes hold everybody
back. The ledger has the intent before the request and the run id right after it, so that a death anywhere in between
does not pay twice.
"""

from __future__ import annotations

import heapq
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import date
from types import TracebackType

from copilot_pipeline.clients.adaptive_concurrency import AdaptiveConcurrency
from copilot_pipeline.clients.semarize import Kit, RunState, SemarizeClient, next_poll_seconds
from copilot_pipeline.errors import CredentialsRefused, NotFound, PipelineError, RequestRefused, TemporaryFailure
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.progress import NoProgress, Progress
from copilot_pipeline.score.candidates import candidates
from copilot_pipeline.score.run_requests import SemarizeRunSettings, Task, intend, seconds_for
from copilot_pipeline.state import AdvisoryLocks, SemarizeRunStore

STEP = "Semarize runs"
CLAIMED_SECONDS = 0.5  # until it is looked at again whether the process that is about to create a run has
LISTEN_SECONDS = 1.0  # between two looks at what webhooks announced


@dataclass(slots=True)
class ScoredPartition:
    """What became of the runs of a day."""

    day: date
    transcripts: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Every run of the day is at its end."""
        return not self.problems


class SemarizeRunner:
    """Brings the runs of some days to their end: all of them with `run`, or turn by turn while more days come in.

    Use it as a context for turns; leaving it ends its workers, and what is open then is collected by a later one.
    """

    def __init__(
        self,
        client: SemarizeClient,
        ledger: SemarizeRunStore,
        lake: Lake,
        kits: Sequence[Kit],
        rules: SemarizeRunSettings,
        claims: AdvisoryLocks,
        *,
        progress: Progress | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._lake = lake
        self._kits = kits
        self._rules = rules
        self._claims = claims
        self._progress = progress or NoProgress()
        self._monotonic = monotonic
        self._reports: dict[date, ScoredPartition] = {}
        self._sources: deque[Iterator[Task]] = deque()
        self._open: defaultdict[date, int] = defaultdict(int)
        self._under_way: dict[tuple[str, str], date] = {}  # call and kit, and the day
        self._news: set[date] = set()
        self._workers = ThreadPoolExecutor(rules.requests_in_flight, thread_name_prefix="semarize")
        self._due: list[tuple[float, int, Task]] = []
        self._requests: dict[Future[float | None], Task] = {}
        self._order = 0
        self._stop: BaseException | None = None
        self._concurrency = AdaptiveConcurrency(rules.requests_in_flight, rules.give_up_after_seconds)
        self._listened_at = 0.0

    def __enter__(self) -> SemarizeRunner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._workers.shutdown(wait=True)
        self._settle_answers()

    def run(self, days: Sequence[date]) -> Iterator[ScoredPartition]:
        """Yields each day once its runs are at their end, or given up on for now.

        Refused credentials and a server that is down concern all days: what is under way is recorded, and then they
        are raised.
        """
        for day in sorted(days, reverse=True):
            self.add(day)
        with self:
            while True:
                self._fill()
                yield from self._finished_days()
                if not (self._due or self._requests):
                    break
                self._turn(None)
        if self._stop is not None:
            raise self._stop

    # --- turn by turn ------------------------------------------------------------------------------------------

    def add(self, day: date, among: Collection[str] | None = None) -> None:
        """The transcripts of a day, or those of some calls of it, are to be scored as well."""
        self._open[day] += 1  # the day itself, until it is read to its end
        self._sources.append(self._tasks(day, among))

    def poll(self, at_most_seconds: float) -> list[ScoredPartition]:
        """Asks what is due and takes the answers that are there, or come within the time.

        Returns the days of which a run has come to its end or has been given up on, with their problems. Raises what
        concerns all days once nothing is under way any more.
        """
        self._fill()
        if self._due or self._requests:
            self._turn(at_most_seconds)
        if self._stop is not None and not self._requests:
            raise self._stop
        return [self._take_report(day) for day in sorted(self._news, reverse=True)]

    def expedite(self, run_ids: Collection[str]) -> None:
        """These runs are at their end, somebody says: they are asked about at once."""
        self._due = [(0.0 if task.run.run_id in run_ids else at, order, task) for at, order, task in self._due]
        heapq.heapify(self._due)

    @property
    def is_idle(self) -> bool:
        """Nothing is under way and nothing is to be begun."""
        return not (self._sources or self._due or self._requests)

    def calls_in_progress(self, day: date) -> set[str]:
        """The calls of a day with a run that is not at its end."""
        return {call_id for (call_id, _), of in self._under_way.items() if of == day}

    def _take_report(self, day: date) -> ScoredPartition:
        self._news.discard(day)
        return self._reports.pop(day, None) or ScoredPartition(day)

    # --- tasks -------------------------------------------------------------------------------------------------

    def _fill(self) -> None:
        """Begins what there is room for. Texts are large: they are read as they are needed."""
        while self._sources and self._has_room():
            task = next(self._sources[0], None)
            if task is None:
                self._sources.popleft()
            else:
                self._put(task, 0.0)

    def _turn(self, at_most_seconds: float | None) -> None:
        self._submit()
        self._wait(at_most_seconds)
        self._listen()
        self._settle_answers()

    def _tasks(self, day: date, among: Collection[str] | None) -> Iterator[Task]:
        """The open runs of a day that are not under way yet."""
        report = self._reports.setdefault(day, ScoredPartition(day))
        for batch in candidates(self._lake, day, self._kits, with_text=True):
            chosen = [candidate for candidate in batch if among is None or candidate.call_id in among]
            report.transcripts += len(chosen)
            tasks = intend(self._ledger, chosen, day, self._kits, self._rules, self._under_way)
            self._under_way |= {(task.run.call_id, task.run.kit): day for task in tasks}
            self._open[day] += len(tasks)
            self._progress.expect(STEP, len(tasks))
            yield from tasks
        self._open[day] -= 1
        self._news.add(day)

    def _has_room(self) -> bool:
        return self._stop is None and len(self._due) + len(self._requests) < self._rules.runs_in_flight

    # --- requests ----------------------------------------------------------------------------------------------

    def _put(self, task: Task, seconds: float) -> None:
        self._order += 1
        heapq.heappush(self._due, (self._monotonic() + seconds, self._order, task))

    def _submit(self) -> None:
        now = self._monotonic()
        while self._due and max(self._due[0][0], self._concurrency.paused_until) <= now and self._may_ask():
            task = heapq.heappop(self._due)[2]
            if task.give_up_at is None:
                task.give_up_at = now + seconds_for(task.run, self._rules)
            self._requests[self._workers.submit(self._ask, task)] = task

    def _wait(self, at_most_seconds: float | None) -> None:
        """Until an answer is there, or a poll is due and somebody is free to send it, or the time is over.

        With runs that are waited for, no longer than until it is time to listen again.
        """
        seconds = at_most_seconds
        if self._due and self._may_ask():
            due = max(self._due[0][0], self._concurrency.paused_until) - self._monotonic()
            due = max(0.0, min(due, LISTEN_SECONDS))
            seconds = due if seconds is None else min(due, seconds)
        if self._requests:
            wait(self._requests, timeout=seconds, return_when=FIRST_COMPLETED)
        elif seconds:
            time.sleep(seconds)

    def _listen(self) -> None:
        """A run whose end a webhook has announced is read now, not when its next poll is due."""
        now = self._monotonic()
        if now < self._listened_at + LISTEN_SECONDS:
            return
        self._listened_at = now
        deaf = {task.run.run_id: task for _, _, task in self._due if task.run.run_id and not task.is_announced}
        announced = self._ledger.completed_by_webhook(list(filter(None, deaf))) if deaf else set()
        if announced:
            self.expedite(announced)
        for run_id in announced:
            deaf[run_id].is_announced = True  # once: should it go on all the same, it is polled as before

    def _may_ask(self) -> bool:
        return len(self._requests) < self._concurrency.limit

    def _ask(self, task: Task) -> float | None:
        """In a worker: creates the run or reads it. Returns when to ask again, in seconds; None at its end."""
        if task.run.run_id is None:
            return self._create(task)
        state = self._client.read(task.run.run_id)
        task.polls += 1
        return self._settle(task, state)

    def _create(self, task: Task) -> float | None:
        """Creates the run, unless another process is about to, or has."""
        name = f"{task.run.kit}:{task.run.call_id}"
        if not self._claims.acquire([name]):
            return CLAIMED_SECONDS
        try:
            order, task.run = task.run.rescore_id, self._ledger.refresh(task.run)
            if not task.run.is_open or task.run.rescore_id != order:  # ordered anew: whoever did that asks for it
                return None
            if task.run.run_id is not None:
                return 0.0
            return self._settle(task, self._client.create(task.request), is_new=True)
        finally:
            self._claims.release([name])

    def _settle(self, task: Task, state: RunState, *, is_new: bool = False) -> float | None:
        if state.status.is_terminal:
            self._record_end(task, state)
            return None
        if is_new:
            self._ledger.mark_created(task.run, state.run_id, state.status.value)
            task.run = replace(task.run, run_id=state.run_id, status=state.status.value)
            task.give_up_at = self._monotonic() + self._rules.give_up_after_seconds
        return next_poll_seconds(task.polls, state.poll_after_seconds)

    def _record_end(self, task: Task, state: RunState) -> None:
        self._ledger.mark_finished(
            task.run,
            run_id=state.run_id,
            status=state.status.value,
            kit_version_id=state.kit_version_id,
            duration_ms=state.duration_ms,
            error_code=state.error_code,
            error_message=state.error_message,
            answer=state.body,
        )

    # --- answers -----------------------------------------------------------------------------------------------

    def _settle_answers(self) -> None:
        for future in [future for future in self._requests if future.done()]:
            task = self._requests.pop(future)
            error = future.exception()
            if error is None:
                self._concurrency.on_success()
                task.failures = 0
                again, why = future.result(), "Semarize has not finished it yet"
            elif isinstance(error, TemporaryFailure):
                task.failures += 1
                again, why = self._concurrency.on_failure(error, self._monotonic(), task.failures), str(error)
                if again is None:
                    self._end_all(TemporaryFailure(f"{why}, and so it has been for a while: run the same days again"))
                    self._problem(task, why)
            else:
                self._failed(task, error)
                again = None
            if again is not None and self._stop is None:
                if self._monotonic() + again <= (task.give_up_at or 0.0):
                    self._put(task, again)
                    continue
                self._put_off(task, f"{why}; run again to collect it, it is not paid twice")
            self._over(task)
            self._progress.advance(STEP)

    def _over(self, task: Task) -> None:
        day = self._under_way.pop((task.run.call_id, task.run.kit))
        self._open[day] -= 1
        self._news.add(day)

    def _failed(self, task: Task, error: BaseException) -> None:
        """What waiting does not help against."""
        problem = str(error)
        if isinstance(error, NotFound) and task.run.run_id is None:
            # Nothing of the transcript's: once the kit is published, the same transcripts are wanted again.
            problem = f"{error}: publish the kit in Semarize, or mend `kits` in pipeline.yaml"
        elif isinstance(error, RequestRefused) and task.run.run_id is None:
            self._ledger.mark_refused(task.run, error.code, str(error))
            self._progress.note(f"call {task.run.call_id}, kit {task.run.kit}: {error}")
            return
        elif isinstance(error, CredentialsRefused) or not isinstance(error, PipelineError):
            self._end_all(error)
        self._put_off(task, problem)

    def _put_off(self, task: Task, problem: str) -> None:
        """It is left for another time."""
        if self._stop is None:
            self._ledger.schedule_retry(task.run)
        self._problem(task, problem)

    def _end_all(self, error: BaseException) -> None:
        self._stop = self._stop or error
        for _, _, task in self._due:
            self._problem(task, "not asked for yet")
            self._over(task)
        self._due.clear()

    def _problem(self, task: Task, problem: str) -> None:
        day = self._under_way[task.run.call_id, task.run.kit]
        report = self._reports.setdefault(day, ScoredPartition(day))
        report.problems.append(f"call {task.run.call_id}, kit {task.run.kit}: {problem}")

    def _finished_days(self) -> Iterator[ScoredPartition]:
        for day in sorted((day for day, left in self._open.items() if left == 0), reverse=True):
            del self._open[day]
            yield self._take_report(day)
