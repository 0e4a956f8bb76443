"""The extraction of one window of days: store bodies as they arrive, and each day when all its calls are settled."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa

from copilot_pipeline.errors import CredentialsRefused, PipelineError, QuotaExhausted
from copilot_pipeline.extract.fetch_pool import FetchPool, FetchResult, ListingEnded, Outcome, PageListed, PoolEvent
from copilot_pipeline.extract.fetch_queue import FetchQueue
from copilot_pipeline.extract.listing import DaysNotListed
from copilot_pipeline.extract.raw_partitions import RawPartition, RawPartitionWriter
from copilot_pipeline.load.call_tables import lost_problems
from copilot_pipeline.load.partition_loader import describe_error
from copilot_pipeline.progress import Progress
from copilot_pipeline.state import AdvisoryLocks, CallStore, CallToFetch

BUSY_RETRY_SECONDS = 0.5  # until calls that another process had locked are tried again
STEP = "call details"


@dataclass(slots=True)
class DayReport:
    """The result of one day."""

    day: date
    stored: RawPartition | None = None
    fetched: int = 0
    quarantined: int = 0
    lost: int = 0  # calls whose bytes were missing from the lake when the extraction began
    problems: list[str] = field(default_factory=list)
    started_at: float | None = None  # monotonic time at which its first call was known
    seconds: float = 0.0  # from then to the last response
    waited_seconds: float = 0.0  # for the rate limiter, of an average thread

    def describe(self) -> str:
        """Return the result as a log line."""
        listed = self.stored.calls if self.stored else 0
        line = (
            f"{self.day}: {listed} listed, {self.fetched} fetched in {self.seconds:.1f} s, {self.quarantined} "
            f"quarantined, waited {self.waited_seconds:.1f} s"
        )
        return f"{line}, {len(self.problems)} not done" if self.problems else line

    @property
    def is_complete(self) -> bool:
        """Whether everything that could be fetched is stored."""
        return not self.problems


class WindowExtraction:
    """Fetches the calls of some days. The threads of the pool send requests; this one writes.

    `fatal` is an error that concerns all days: refused credentials, a used-up quota, or a bug. After it no request is
    sent, what was received is stored, and the reports name what is missing.
    """

    def __init__(
        self,
        pool: FetchPool,
        calls: CallStore,
        locks: AdvisoryLocks,
        writer: RawPartitionWriter,
        days: Sequence[date],
        progress: Progress,
        *,
        with_quarantined: bool = False,
    ) -> None:
        """`with_quarantined` fetches quarantined calls although their next attempt is not due yet."""
        self.fatal: BaseException | None = None
        self.lost: Mapping[date, int] = {}  # calls whose bytes were missing from the lake, by day
        self._pool = pool
        self._calls = calls
        self._writer = writer
        self._days = days
        self._progress = progress
        self._queue = FetchQueue(calls, locks, days, with_quarantined=with_quarantined)
        self._with_quarantined = with_quarantined
        self._unsettled = dict.fromkeys(days, 0)  # calls by day
        self._reports = {day: DayReport(day) for day in days}
        self._in_flight = 0
        self._is_listing = False
        self._is_listed = False

    def fetch(self, calls: Sequence[CallToFetch] | None = None) -> Iterator[DayReport]:
        """Fetch these calls of the days, without listing; all by default. Yields a report for each day."""
        self._is_listed = True
        self._add(self._to_fetch() if calls is None else calls)
        yield from self._run()

    def list_and_fetch(self, pages: Iterator[list[str]]) -> Iterator[DayReport]:
        """Fetch what the pages show while they are listed. Yields a report for each day."""
        self._is_listing = True
        self._pool.list_pages(pages)
        yield from self._run()

    def _run(self) -> Iterator[DayReport]:
        while self._is_listing or self._in_flight or self._queue:
            self._fetch_next()
            is_waiting_for_others = not (self._is_listing or self._in_flight)
            events = self._pool.events(timeout=BUSY_RETRY_SECONDS if is_waiting_for_others else None)
            if not events:
                self._queue.retry_busy()
            self._store_bodies(events)
            for event in events:
                self._handle(event)
            if self._is_listed and self.fatal is None:
                yield from self._store_days([day for day in self._reports if not self._unsettled[day]])
        self._queue.release_done()
        yield from self._store_days(list(self._reports))

    def _fetch_next(self) -> None:
        """Keep the threads busy: lock as many further calls as are in flight, so that no thread waits for a lock."""
        while self._queue.has_pending and self._in_flight < 2 * self._pool.size:
            to_fetch, fetched_elsewhere = self._queue.lock_next()
            for call in to_fetch:
                self._in_flight += 1
                self._pool.fetch(call)
            for call in fetched_elsewhere:
                self._settle(call)

    def _add(self, calls: Sequence[CallToFetch]) -> None:
        new = self._queue.add(calls)
        self._progress.expect(STEP, len(new))
        for call in new:
            self._unsettled[call.call_date] += 1
            report = self._reports[call.call_date]
            report.started_at = report.started_at or time.monotonic()
        if self.fatal is not None:
            self._abandon_queue()

    def _store_bodies(self, events: Sequence[PoolEvent]) -> None:
        """Store the bodies that arrived together in one transaction."""
        received = [event.details for event in events if isinstance(event, FetchResult) and event.details is not None]
        if received:
            self._calls.store_details(received)

    def _handle(self, event: PoolEvent) -> None:
        if isinstance(event, FetchResult):
            self._in_flight -= 1
            self._queue.done(event.call.call_id)
            self._settle(event.call)
            self._report(event)
        elif isinstance(event, PageListed):
            self._add(self._to_fetch(event.call_ids))
        else:
            self._end_listing(event)

    def _end_listing(self, event: ListingEnded) -> None:
        self._is_listing, self._is_listed = False, event.is_complete
        if event.is_complete:
            self._add(self._to_fetch())  # also calls that were listed before and not fetched
            return
        if isinstance(event.error, DaysNotListed):
            self._is_listed = True
            for day, problem in event.error.problems.items():
                self._reports[day].problems.append(f"listing: {problem}")
            self._add(self._calls.to_fetch(self._days))
            return
        if event.error is not None and _concerns_all_days(event.error):
            self._stop(event.error)
        for report in self._reports.values():
            report.problems.append(f"listing: {event.error or 'stopped'}")

    def _to_fetch(self, among: Sequence[str] | None = None) -> list[CallToFetch]:
        return self._calls.to_fetch(self._days, among=among, with_quarantined=self._with_quarantined)

    def _settle(self, call: CallToFetch) -> None:
        self._unsettled[call.call_date] -= 1
        self._progress.advance(STEP)

    def _report(self, result: FetchResult) -> None:
        call_id, report = result.call.call_id, self._reports[result.call.call_date]
        report.seconds = time.monotonic() - (report.started_at or time.monotonic())
        report.waited_seconds += result.waited_seconds / self._pool.size
        match result.outcome:
            case Outcome.FETCHED:
                report.fetched += 1
            case Outcome.QUARANTINED:
                report.quarantined += 1
                self._progress.note(f"call {call_id} of {report.day}: its details cannot be parsed and are quarantined")
            case Outcome.NOT_FOUND:
                report.problems.append(f"call {call_id}: listed, but its details do not exist (404)")
            case Outcome.SKIPPED:
                report.problems.append(f"call {call_id}: not fetched yet")
            case Outcome.FAILED:
                assert result.error is not None
                if _concerns_all_days(result.error):
                    self._stop(result.error)
                else:
                    self._calls.record_failure(call_id, str(result.error), defer=False)
                report.problems.append(f"call {call_id}: {result.error}")

    def _stop(self, error: BaseException) -> None:
        self.fatal = self.fatal or error
        self._pool.stop()
        self._abandon_queue()

    def _abandon_queue(self) -> None:
        for call in self._queue.clear():
            self._reports[call.call_date].problems.append(f"call {call.call_id}: not fetched yet")

    def _store_days(self, days: Sequence[date]) -> Iterator[DayReport]:
        for day in sorted(days, reverse=True):
            report = self._reports.pop(day)
            try:
                report.stored = self._writer.store(day)
            except (OSError, pa.ArrowException) as error:  # the bodies are still in the state store
                report.problems.append(f"the raw file could not be written: {describe_error(error)}")
            report.lost = self.lost.get(day, 0)
            report.problems += lost_problems(self._calls.partitions, day)
            yield report


def _concerns_all_days(error: BaseException) -> bool:
    return isinstance(error, CredentialsRefused | QuotaExhausted) or not isinstance(error, PipelineError)
