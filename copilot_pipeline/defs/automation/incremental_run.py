"""Following arrivals: from what a webhook named or a poll found to its scores, round by round, in one run.

A round brings in a few seconds' worth of calls, makes their days' tables, and asks after the Semarize runs that are
under way. So a webhook that comes while others are being scored is fetched, tabulated and given its run at once, with
no second process and with nobody else asking after the same runs; and it is not kept waiting by a hundred calls that
a poll found. The run stays a little after the last of it: the next webhook is spared the start of another.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date

from copilot_pipeline.errors import QuotaExhausted
from copilot_pipeline.extract.polling import SOURCE as POLLING
from copilot_pipeline.extract.webhook_calls import LOOK, WEBHOOK, WebhookProcessor
from copilot_pipeline.load.tables import CALL_TABLES, RAW_CALL_DETAILS, SCORE_TABLES, Table
from copilot_pipeline.runtime import Runtime
from copilot_pipeline.score.runs import SemarizeRunner
from copilot_pipeline.state import CallToFetch

SOURCES = (POLLING, WEBHOOK, LOOK)
CALLS_A_ROUND = 40  # at the pace of nine a second some five seconds' worth
CALLS_BESIDE_HINTS = 10  # while webhooks come in, what a poll found goes on more slowly
ROUND_SECONDS = 1.0
LINGERS_SECONDS = 20.0
LIVES_SECONDS = 3600.0  # then another run goes on: what is open is in the ledger
VIEWS_EVERY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Landed:
    """A day of some tables is there."""

    day: date
    tables: Sequence[Table]


class IncrementalRun:
    """One run over everything that arrives. Several at once do no harm: they share the work."""

    def __init__(
        self,
        runtime: Runtime,
        is_in_reach: Callable[[date], bool],
        *,
        lingers_seconds: float = LINGERS_SECONDS,
        lives_seconds: float = LIVES_SECONDS,
    ) -> None:
        self._runtime = runtime
        self._is_in_reach = is_in_reach
        self._lingers = lingers_seconds
        self._ends_at = time.monotonic() + lives_seconds
        self._last_news = time.monotonic()
        self._views_at = -VIEWS_EVERY_SECONDS
        self._scoring: SemarizeRunner | None = None
        self._calls: defaultdict[date, set[str]] = defaultdict(set)  # on their way, by day
        self._tried: set[CallToFetch] = set()
        self._to_store: set[date] = set()
        self._to_tabulate: set[date] = set()
        self._in_a_hurry: set[date] = set()  # a webhook named a call of it
        self.problems: list[str] = []
        self.spent: QuotaExhausted | None = None

    def run(self) -> Iterator[Landed]:
        """Yields what is there as it lands, until nothing is left to do.

        Where the week's budget ends, what is here already is brought through, and `spent` says why the rest waits.
        """
        with ExitStack() as stack:
            hints = stack.enter_context(self._runtime.hints(is_in_reach=self._is_in_reach))
            if self._runtime.kits:
                self._scoring = stack.enter_context(stack.enter_context(self._runtime.scoring()))
            self._take_up(self._runtime.arrivals.claim())
            self._take_up(open_runs(self._runtime), are_tabulated=True)
            while True:
                if time.monotonic() < self._ends_at:
                    yield from self._bring_in(hints)
                yield from self._tabulate()
                yield from self._score()
                if self._is_over():
                    break
            self._runtime.inbox.purge()

    def _take_up(self, calls: dict[date, set[str]], *, are_tabulated: bool = False) -> None:
        """What an earlier run left."""
        for day, call_ids in calls.items():
            if self._is_in_reach(day):
                self._calls[day] |= call_ids
                if are_tabulated:
                    self._begin_scoring(day)
                else:
                    self._to_store.add(day)

    # --- bringing in -------------------------------------------------------------------------------------------

    def _bring_in(self, hints: WebhookProcessor) -> Iterator[Landed]:
        most = CALLS_A_ROUND
        if self.spent is None:
            followed = hints.follow()
            self.problems += followed.problems
            if followed.hints:
                most = CALLS_BESIDE_HINTS
                self._last_news = time.monotonic()
            self._look_at_runs(followed.runs)
            self._arrived(followed.calls)
            self._in_a_hurry.update(followed.calls.values())
            self._to_store.update(followed.calls.values())
            if isinstance(followed.stop, QuotaExhausted):
                self.spent = followed.stop
            elif followed.stop is not None:
                raise followed.stop
        try:
            yield from self._fetch(self._wanted(most) if self.spent is None else [])
        except QuotaExhausted as spent:
            self.spent = spent

    def _wanted(self, most: int) -> list[CallToFetch]:
        """What polling found and is not fetched yet. What could not be had is the next run's."""
        found = self._runtime.calls.to_fetch_from(SOURCES, most + len(self._tried))
        return [call for call in found if call not in self._tried and self._is_in_reach(call.call_date)][:most]

    def _fetch(self, wanted: list[CallToFetch]) -> Iterator[Landed]:
        """Fetches, and makes the raw files of all days that something is new of."""
        stale = [day for day in self._runtime.calls.days_to_store(SOURCES) if self._is_in_reach(day)]
        days = {*(call.call_date for call in wanted), *stale, *self._to_store}
        if not days:
            return
        calls = {call.call_id: call.call_date for call in wanted}
        self._runtime.arrivals.add(calls)
        self._runtime.arrivals.add_partitions(stale)
        self._arrived(calls)
        self._tried.update(wanted)
        self._to_tabulate |= days
        with self._runtime.extraction(POLLING) as extraction:
            for report in extraction.run(sorted(days), known=wanted):
                self.problems += report.problems
                yield Landed(report.day, [RAW_CALL_DETAILS])
        self._to_store.clear()

    def _arrived(self, calls: dict[str, date]) -> None:
        for call_id, day in calls.items():
            self._calls[day].add(call_id)
        if calls:
            self._last_news = time.monotonic()

    # --- tables ------------------------------------------------------------------------------------------------

    def _tabulate(self) -> Iterator[Landed]:
        """The days that webhooks wait for, and those of which nothing is to be fetched any more."""
        unready: set[date] = set()
        if self.spent is None and self._to_tabulate - self._in_a_hurry:
            unready = {call.call_date for call in self._wanted(CALLS_A_ROUND)}
        days = {day for day in self._to_tabulate if day in self._in_a_hurry or day not in unready}
        self._to_tabulate -= days
        self._in_a_hurry.clear()
        if not days:
            return
        tabulating = self._runtime.tabulating()
        for done in tabulating.build(tabulating.days_to_build(sorted(days))):
            if done.problem is not None:
                self.problems.append(f"{done.day}: {done.problem}")
                continue
            yield Landed(done.day, CALL_TABLES)
            self._begin_scoring(done.day)

    # --- scores ------------------------------------------------------------------------------------------------

    def _begin_scoring(self, day: date) -> None:
        if self._scoring is not None:
            self._scoring.add(day, frozenset(self._calls[day]))
        else:
            self._through(day, self._calls[day])

    def _look_at_runs(self, runs: Mapping[str, tuple[date, str]]) -> None:
        """Semarize says that these have ended. Those that another run began are looked at as well."""
        if self._scoring is None:
            return
        self._scoring.expedite(runs)
        for day, call_id in runs.values():
            self._calls[day].add(call_id)
            if call_id not in self._scoring.calls_in_progress(day):
                self._scoring.add(day, {call_id})

    def _score(self) -> Iterator[Landed]:
        """Asks after the runs under way, and makes the score tables of days of which one has ended."""
        if self._scoring is None:
            time.sleep(ROUND_SECONDS)
            return
        days: set[date] = set()
        round_ends_at = time.monotonic() + ROUND_SECONDS
        while (left := round_ends_at - time.monotonic()) > 0:
            for report in self._scoring.poll(left):
                self.problems += report.problems
                days.add(report.day)
            if self._scoring.is_idle:
                if not days:
                    time.sleep(left)
                break
        if not days:
            return
        tables = self._runtime.score_tables()
        for done in tables.build(sorted(days, reverse=True)):
            if done.problem is not None:
                self.problems.append(f"{done.day}: {done.problem}")
                continue
            yield Landed(done.day, SCORE_TABLES)
            self._through(done.day, self._calls[done.day] - self._scoring.calls_in_progress(done.day))
        if time.monotonic() - self._views_at > VIEWS_EVERY_SECONDS:
            tables.refresh_views()
            self._views_at = time.monotonic()

    def _through(self, day: date, call_ids: Collection[str]) -> None:
        """These calls have come to the end of their way."""
        self._runtime.outgoing.enqueue_deliveries([day])
        self._runtime.arrivals.complete(day, call_ids)
        self._calls[day] -= set(call_ids)
        self._last_news = time.monotonic()

    def _is_over(self) -> bool:
        if time.monotonic() >= self._ends_at:
            return True
        is_busy = bool(self._to_tabulate) or (self._scoring is not None and not self._scoring.is_idle)
        return not is_busy and (self.spent is not None or time.monotonic() - self._last_news > self._lingers)


def open_runs(runtime: Runtime) -> dict[date, set[str]]:
    """Calls with a Semarize run that is paid for and that nobody waits for any more, by day."""
    return runtime.arrivals.with_open_runs({kit.name: kit.reference for kit in runtime.kits})
