"""The incremental run: from webhooks, rechecks and polled changes to scores, round by round, in one process.

A round fetches a few seconds' worth of calls, loads their days, and polls the open Semarize runs. So a webhook that is
received while other calls are being scored is fetched, loaded and given its runs immediately, without a second process,
and is not delayed by a hundred calls that a poll found. The run stays a little after the last call, which spares the
next webhook the start of another run. See docs/adr/0004-incremental-run.md.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from copilot_pipeline.defs.automation.incremental_steps import Steps
from copilot_pipeline.errors import QuotaExhausted
from copilot_pipeline.extract.polling import SOURCE as POLL
from copilot_pipeline.extract.webhook_calls import RECHECK, WEBHOOK
from copilot_pipeline.load.tables import CALL_TABLES, RAW_CALL_DETAILS, SCORE_TABLES, Table
from copilot_pipeline.score.runs import SemarizeRunner
from copilot_pipeline.state import CallToFetch

SOURCES = (POLL, WEBHOOK, RECHECK)
CALLS_PER_ROUND = 40  # about five seconds at nine requests per second
CALLS_PER_ROUND_BESIDE_WEBHOOKS = 10  # polled calls yield to webhooks
ROUND_SECONDS = 1.0
LINGER_SECONDS = 20.0
MAX_SECONDS = 3600.0  # then another run continues: all progress is in the state store
REFRESH_VIEWS_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class LoadedDay:
    """A day of some tables was loaded."""

    day: date
    tables: Sequence[Table]


class IncrementalRun:
    """One run over everything that is pending. Several at a time share the work."""

    def __init__(
        self,
        steps: Steps,
        is_in_reach: Callable[[date], bool],
        *,
        linger_seconds: float | None = None,
        max_seconds: float = MAX_SECONDS,
        log: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`log` gets a line for each day whose calls were fetched, and for each day and kit with ended runs."""
        self._steps = steps
        self._log = log
        self._is_in_reach = is_in_reach
        self._linger_seconds = LINGER_SECONDS if linger_seconds is None else linger_seconds
        self._ends_at = time.monotonic() + max_seconds
        self._last_progress = time.monotonic()
        self._views_refreshed_at = -REFRESH_VIEWS_SECONDS
        self._calls: defaultdict[date, set[str]] = defaultdict(set)  # not yet scored, by day
        self._tried: set[CallToFetch] = set()
        self._to_store: set[date] = set()
        self._to_load: set[date] = set()
        self._urgent: set[date] = set()  # a webhook named a call of the day
        self.problems: list[str] = []
        self.warnings: list[str] = []  # views that cannot be made
        self.quota_exhausted: QuotaExhausted | None = None

    def run(self) -> Iterator[LoadedDay]:
        """Yield each day as it is loaded, until nothing is pending.

        If the weekly quota is used up, what is fetched is still scored, and `quota_exhausted` is set.
        """
        self._resume(self._steps.pending.claim())
        self._resume(self._steps.open_runs(), are_loaded=True)
        while True:
            if time.monotonic() < self._ends_at:
                yield from self._fetch()
            yield from self._load()
            yield from self._score()
            if self._is_finished():
                break
        self._steps.inbox.purge()

    def _resume(self, calls: Mapping[date, set[str]], *, are_loaded: bool = False) -> None:
        """Continue with calls that an earlier run left."""
        for day, call_ids in calls.items():
            if self._is_in_reach(day):
                self._calls[day] |= call_ids
                if are_loaded:
                    self._start_scoring(day)
                else:
                    self._to_store.add(day)

    # --- fetch -------------------------------------------------------------------------------------------------

    def _fetch(self) -> Iterator[LoadedDay]:
        limit = CALLS_PER_ROUND
        if self.quota_exhausted is None:
            batch = self._steps.webhooks.process_batch()
            self.problems += batch.problems
            if batch.processed:
                limit = CALLS_PER_ROUND_BESIDE_WEBHOOKS
                self._last_progress = time.monotonic()
            self._expedite_runs(batch.runs)
            self._add(batch.calls)
            self._urgent.update(batch.calls.values())
            self._to_store.update(batch.calls.values(), filter(self._is_in_reach, batch.changed_days))
            if isinstance(batch.fatal, QuotaExhausted):
                self.quota_exhausted = batch.fatal
            elif batch.fatal is not None:
                raise batch.fatal
        try:
            yield from self._store(self._to_fetch(limit) if self.quota_exhausted is None else [])
        except QuotaExhausted as spent:
            self.quota_exhausted = spent

    def _to_fetch(self, limit: int) -> list[CallToFetch]:
        """Calls that are known but not fetched. A call that could not be fetched is left to the next run."""
        due = self._steps.calls.to_fetch_from(SOURCES, limit + len(self._tried))
        calls = [call for call in due if call not in self._tried and self._is_in_reach(call.call_date)][:limit]
        return self._steps.webhooks.without_hidden(calls)

    def _store(self, to_fetch: list[CallToFetch]) -> Iterator[LoadedDay]:
        """Fetch the calls, and store the raw partitions of all days with new details."""
        outdated = [day for day in self._steps.calls.days_to_store(SOURCES) if self._is_in_reach(day)]
        days = {*(call.call_date for call in to_fetch), *outdated, *self._to_store}
        if not days:
            return
        calls = {call.call_id: call.call_date for call in to_fetch}
        self._steps.pending.add(calls)
        self._steps.pending.add_partitions(outdated)
        self._add(calls)
        self._tried.update(to_fetch)
        self._to_load |= days
        with self._steps.open_extraction() as extraction:
            for report in extraction.run(sorted(days), calls=to_fetch):
                self.problems += report.problems
                self._log(report.describe())
                yield LoadedDay(report.day, [RAW_CALL_DETAILS])
        self._to_store.clear()

    def _add(self, calls: Mapping[str, date]) -> None:
        for call_id, day in calls.items():
            self._calls[day].add(call_id)
        if calls:
            self._last_progress = time.monotonic()

    # --- load --------------------------------------------------------------------------------------------------

    def _load(self) -> Iterator[LoadedDay]:
        """Load the urgent days, and those of which no more calls are to be fetched."""
        incomplete: set[date] = set()
        if self.quota_exhausted is None and self._to_load - self._urgent:
            incomplete = {call.call_date for call in self._to_fetch(CALLS_PER_ROUND)}
        days = {day for day in self._to_load if day in self._urgent or day not in incomplete}
        self._to_load -= days
        self._urgent.clear()
        if not days:
            return
        tables = self._steps.make_call_tables()
        for loaded in tables.build(tables.days_to_build(sorted(days))):
            if loaded.problem is not None:
                self.problems.append(f"{loaded.day}: {loaded.problem}")
                continue
            self.problems += [f"{loaded.day}: {problem}" for problem in loaded.incomplete]
            yield LoadedDay(loaded.day, CALL_TABLES)
            self._start_scoring(loaded.day)

    # --- score -------------------------------------------------------------------------------------------------

    def _start_scoring(self, day: date) -> None:
        if self._steps.runner is not None:
            self._steps.runner.add(day, frozenset(self._calls[day]))
        else:
            self._complete(day, self._calls[day])

    def _expedite_runs(self, runs: Mapping[str, tuple[date, str]]) -> None:
        """Poll runs that Semarize reports as ended before their turn, including those that another run created."""
        runner = self._steps.runner
        if runner is None:
            return
        runner.expedite(runs)
        for day, call_id in runs.values():
            self._calls[day].add(call_id)
            if call_id not in runner.calls_in_progress(day):
                runner.add(day, {call_id})

    def _score(self) -> Iterator[LoadedDay]:
        """Poll the open runs for a round, and rebuild the score tables of days of which one has ended."""
        runner = self._steps.runner
        if runner is None:
            time.sleep(ROUND_SECONDS)
            return
        days = self._poll_runs(runner)
        if not days:
            return
        for loaded in self._steps.score_tables.build(sorted(days, reverse=True)):
            if loaded.problem is not None:
                self.problems.append(f"{loaded.day}: {loaded.problem}")
                continue
            yield LoadedDay(loaded.day, SCORE_TABLES)
            self._complete(loaded.day, self._calls[loaded.day] - runner.calls_in_progress(loaded.day))
        if time.monotonic() - self._views_refreshed_at > REFRESH_VIEWS_SECONDS:
            self.warnings = self._steps.score_tables.refresh_views()
            self._views_refreshed_at = time.monotonic()

    def _poll_runs(self, runner: SemarizeRunner) -> set[date]:
        """The days of runs that ended within a round."""
        days: set[date] = set()
        round_ends_at = time.monotonic() + ROUND_SECONDS
        while (remaining_seconds := round_ends_at - time.monotonic()) > 0:
            for report in runner.poll(remaining_seconds):
                self.problems += report.problems
                for line in report.describe():
                    self._log(line)
                days.add(report.day)
            if runner.is_idle:
                if not days:
                    time.sleep(remaining_seconds)
                break
        return days

    def _complete(self, day: date, call_ids: Collection[str]) -> None:
        """Enqueue deliveries; the calls are no longer pending."""
        mistakes = self._steps.deliveries.enqueue([day])
        self.problems += [mistake for mistake in mistakes if mistake not in self.problems]
        self._steps.pending.complete(day, call_ids)
        self._calls[day] -= set(call_ids)
        self._last_progress = time.monotonic()

    def _is_finished(self) -> bool:
        now = time.monotonic()
        if now >= self._ends_at:
            return True
        runner = self._steps.runner
        is_busy = bool(self._to_load) or (runner is not None and not runner.is_idle)
        return not is_busy and (self.quota_exhausted is not None or now - self._last_progress > self._linger_seconds)
