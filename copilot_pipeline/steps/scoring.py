"""Scoring: one paid Semarize run per call, kit and transcript, then the score tables of a day.

Many runs are in flight while few requests are: a run is created, put back with the time of its next poll, and whoever
is due next is asked about. The ledger has the intent before the request and the run id right after it, so that a
death anywhere in between does not pay twice.
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

from copilot_pipeline.errors import CredentialsRefused, NotFound, PipelineError, RequestRefused
from copilot_pipeline.lake import Lake
from copilot_pipeline.ledger import Claims, PaidRun, RunLedger, RunWish
from copilot_pipeline.semarize import (
    Kit,
    RunRequest,
    RunState,
    SemarizeClient,
    next_poll_seconds,
    run_request,
)
from copilot_pipeline.steps.progress import Progress, Silence
from copilot_pipeline.steps.selecting import Candidate, candidates

STEP = "Semarize runs"
CLAIMED_SECONDS = 0.5  # until it is looked at again whether the process that is about to create a run has


@dataclass(frozen=True, slots=True)
class ScoringRules:
    """How runs are made and waited for."""

    mode: str = "async"
    run_type: str = "api"
    requests_in_flight: int = 4
    runs_in_flight: int = 200
    give_up_after_seconds: float = 900.0


@dataclass(slots=True)
class ScoredDay:
    """What became of the runs of a day."""

    day: date
    transcripts: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Every run of the day is at its end."""
        return not self.problems


@dataclass(slots=True)
class _Task:
    """A run under way. `request` is kept until the run exists: the same body must be sent again after a death."""

    run: PaidRun
    request: RunRequest
    give_up_at: float
    polls: int = 0


class Scoring:
    """Brings the runs of some days to their end: all of them with `run`, or turn by turn while more days come in.

    Use it as a context for turns; leaving it ends its workers, and what is open then is collected by a later one.
    """

    def __init__(
        self,
        client: SemarizeClient,
        ledger: RunLedger,
        lake: Lake,
        kits: Sequence[Kit],
        rules: ScoringRules,
        claims: Claims,
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
        self._progress = progress or Silence()
        self._monotonic = monotonic
        self._reports: dict[date, ScoredDay] = {}
        self._sources: deque[Iterator[_Task]] = deque()
        self._open: defaultdict[date, int] = defaultdict(int)
        self._under_way: dict[tuple[str, str], date] = {}  # call and kit, and the day
        self._news: set[date] = set()
        self._workers = ThreadPoolExecutor(rules.requests_in_flight, thread_name_prefix="semarize")
        self._due: list[tuple[float, int, _Task]] = []
        self._requests: dict[Future[float | None], _Task] = {}
        self._order = 0
        self._stop: BaseException | None = None

    def __enter__(self) -> Scoring:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._workers.shutdown(wait=True)
        self._settle_answers()

    def run(self, days: Sequence[date]) -> Iterator[ScoredDay]:
        """Yields each day once its runs are at their end, or given up on for now.

        Refused credentials concern all days: what is under way is recorded, and then they are raised.
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

    def turn(self, at_most_seconds: float) -> list[ScoredDay]:
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

    def hurry(self, run_ids: Collection[str]) -> None:
        """These runs are at their end, somebody says: they are asked about at once."""
        self._due = [(0.0 if task.run.run_id in run_ids else at, order, task) for at, order, task in self._due]
        heapq.heapify(self._due)

    @property
    def is_idle(self) -> bool:
        """Nothing is under way and nothing is to be begun."""
        return not (self._sources or self._due or self._requests)

    def calls_under_way(self, day: date) -> set[str]:
        """The calls of a day with a run that is not at its end."""
        return {call_id for (call_id, _), of in self._under_way.items() if of == day}

    def _take_report(self, day: date) -> ScoredDay:
        self._news.discard(day)
        return self._reports.pop(day, None) or ScoredDay(day)

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
        self._settle_answers()

    def _tasks(self, day: date, among: Collection[str] | None) -> Iterator[_Task]:
        """The open runs of a day that are not under way yet."""
        report = self._reports.setdefault(day, ScoredDay(day))
        for candidate in self._transcripts(day):
            if among is not None and candidate.call_id not in among:
                continue
            report.transcripts += 1
            for kit in self._kits:
                if (candidate.call_id, kit.name) in self._under_way:
                    continue
                task = self._intend(candidate, day, kit)
                if task is not None:
                    self._under_way[candidate.call_id, kit.name] = day
                    self._open[day] += 1
                    self._progress.expect(STEP, 1)
                    yield task
        self._open[day] -= 1
        self._news.add(day)

    def _intend(self, candidate: Candidate, day: date, kit: Kit) -> _Task | None:
        if kit.calls.objection(candidate.facts) is not None:
            return None
        call_id = candidate.call_id
        request = self._request(call_id, candidate.text, kit)
        wish = RunWish(call_id, kit.name, kit.reference, candidate.transcript_hash, day, request.idempotency_key)
        run = self._ledger.intend(wish)
        if not run.is_open:
            return None
        if run.rescore_id is not None:
            request = self._request(call_id, candidate.text, kit, run.rescore_id)
        return _Task(run, request, self._monotonic() + self._rules.give_up_after_seconds)

    def _request(self, call_id: str, text: str, kit: Kit, rescore_id: int | None = None) -> RunRequest:
        rules = self._rules
        return run_request(call_id, text, kit, mode=rules.mode, run_type=rules.run_type, rescore_id=rescore_id)

    def _transcripts(self, day: date) -> Iterator[Candidate]:
        for batch in candidates(self._lake, day, self._kits, with_text=True):
            yield from batch

    def _has_room(self) -> bool:
        return self._stop is None and len(self._due) + len(self._requests) < self._rules.runs_in_flight

    # --- requests ----------------------------------------------------------------------------------------------

    def _put(self, task: _Task, seconds: float) -> None:
        self._order += 1
        heapq.heappush(self._due, (self._monotonic() + seconds, self._order, task))

    def _submit(self) -> None:
        now = self._monotonic()
        while self._due and self._due[0][0] <= now and len(self._requests) < self._rules.requests_in_flight:
            task = heapq.heappop(self._due)[2]
            self._requests[self._workers.submit(self._ask, task)] = task

    def _wait(self, at_most_seconds: float | None) -> None:
        """Until an answer is there, or the next poll is due and somebody is free to send it, or the time is over."""
        seconds = at_most_seconds
        if self._due and len(self._requests) < self._rules.requests_in_flight:
            due = max(0.0, self._due[0][0] - self._monotonic())
            seconds = due if seconds is None else min(due, seconds)
        if self._requests:
            wait(self._requests, timeout=seconds, return_when=FIRST_COMPLETED)
        elif seconds:
            time.sleep(seconds)

    def _ask(self, task: _Task) -> float | None:
        """In a worker: creates the run or reads it. Returns when to ask again, in seconds; None at its end."""
        if task.run.run_id is None:
            return self._create(task)
        state = self._client.read(task.run.run_id)
        task.polls += 1
        return self._settle(task, state)

    def _create(self, task: _Task) -> float | None:
        """Creates the run, unless another process is about to, or has."""
        name = f"{task.run.kit}:{task.run.call_id}"
        if not self._claims.take([name]):
            return CLAIMED_SECONDS
        try:
            task.run = self._ledger.look(task.run)
            if not task.run.is_open:
                return None
            if task.run.run_id is not None:
                return 0.0
            return self._settle(task, self._client.create(task.request), is_new=True)
        finally:
            self._claims.release([name])

    def _settle(self, task: _Task, state: RunState, *, is_new: bool = False) -> float | None:
        if state.status.is_terminal:
            self._record_end(task, state)
            return None
        if is_new:
            self._ledger.created(task.run, state.run_id, state.status.value)
            task.run = replace(task.run, run_id=state.run_id, status=state.status.value)
        return next_poll_seconds(task.polls, state.poll_after_seconds)

    def _record_end(self, task: _Task, state: RunState) -> None:
        self._ledger.ended(
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
            again = None if error is not None else future.result()
            if error is not None:
                self._failed(task, error)
            elif again is not None and self._stop is None:
                if self._monotonic() + again <= task.give_up_at:
                    self._put(task, again)
                    continue
                self._problem(task, "Semarize has not finished it yet; run again to collect it, it is not paid twice")
            self._over(task)
            self._progress.advance(STEP)

    def _over(self, task: _Task) -> None:
        day = self._under_way.pop((task.run.call_id, task.run.kit))
        self._open[day] -= 1
        self._news.add(day)

    def _failed(self, task: _Task, error: BaseException) -> None:
        if isinstance(error, NotFound) and task.run.run_id is None:
            # Nothing of the transcript's: once the kit is published, the same transcripts are wanted again.
            self._problem(task, f"{error}: publish the kit in Semarize, or mend `kits` in pipeline.yaml")
            return
        if isinstance(error, RequestRefused) and task.run.run_id is None:
            self._ledger.refused(task.run, error.code, str(error))
            self._progress.note(f"call {task.run.call_id}, kit {task.run.kit}: {error}")
            return
        if isinstance(error, CredentialsRefused) or not isinstance(error, PipelineError):
            self._stop = self._stop or error
            self._drop_waiting()
        self._problem(task, str(error))

    def _drop_waiting(self) -> None:
        for _, _, task in self._due:
            self._problem(task, "not asked for yet")
            self._over(task)
        self._due.clear()

    def _problem(self, task: _Task, problem: str) -> None:
        day = self._under_way[task.run.call_id, task.run.kit]
        report = self._reports.setdefault(day, ScoredDay(day))
        report.problems.append(f"call {task.run.call_id}, kit {task.run.kit}: {problem}")

    def _finished_days(self) -> Iterator[ScoredDay]:
        for day in sorted((day for day, left in self._open.items() if left == 0), reverse=True):
            del self._open[day]
            yield self._take_report(day)
