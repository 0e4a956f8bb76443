"""Extraction: list days, fetch the details that are wanted, store the days. The only step that costs Clari requests.

Listing and fetching overlap, newest day first, with several requests in flight behind one gate, so that the pace is
full from the first to the last request. Workers only ask and pack; the main thread makes what arrives durable, all that
arrived together in one transaction, so that a death loses no more than what was in flight.
"""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum

import pyarrow as pa

from copilot_pipeline.clients.clari import ClariClient
from copilot_pipeline.errors import (
    CredentialsRefused,
    NotFound,
    PipelineError,
    QuotaExhausted,
    UnreadableBody,
)
from copilot_pipeline.extract.listing import Lister, Stretch, stretches
from copilot_pipeline.extract.raw_partitions import RawPartition, RawPartitionWriter
from copilot_pipeline.load.partition_loader import describe_error
from copilot_pipeline.progress import NoProgress, Progress
from copilot_pipeline.state import AdvisoryLocks, CallStore, CallToFetch, ListCursors, ReceivedDetails
from copilot_pipeline.state.bodies import pack

CLAIMED_AT_ONCE = 32
# Bodies that arrive this close together are made durable in one transaction.
LINGER_SECONDS = 0.005
ELSEWHERE_SECONDS = 0.5
# With the pace switched off. Higher, and workers that wait for each other would look like slow answers.
UNPACED_REQUESTS_PER_SECOND = 200.0
FEWEST_WORKERS = 2
STEP = "call details"


class Outcome(Enum):
    """How fetching one call ended."""

    HELD = "held"
    QUARANTINED = "quarantined"
    MISSING = "missing"
    FAILED = "failed"
    UNTRIED = "untried"


@dataclass(slots=True)
class DayReport:
    """What became of one day."""

    day: date
    stored: RawPartition | None = None
    fetched: int = 0
    quarantined: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Nothing that could be fetched is left."""
        return not self.problems


@dataclass(slots=True)
class _Fetched:
    call: CallToFetch
    outcome: Outcome
    received: ReceivedDetails | None = None
    error: BaseException | None = None


@dataclass(slots=True)
class _Page:
    stretch: Stretch
    call_ids: list[str] | None  # None: the listing of the stretch has ended
    error: BaseException | None = None


class DetailExtraction:
    """Brings the raw layer of some days up to date."""

    def __init__(
        self,
        client: ClariClient,
        ledger: CallStore,
        listings: ListCursors,
        storing: RawPartitionWriter,
        claims: AdvisoryLocks,
        *,
        source: str,
        requests_in_flight: int,
        requests_per_second: float = 0.0,
        progress: Progress | None = None,
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._storing = storing
        self._claims = claims
        self._listings = listings
        self._lister = Lister(client, ledger, listings, source)
        self._most_workers = requests_in_flight
        self._pace = requests_per_second or UNPACED_REQUESTS_PER_SECOND
        self._progress = progress or NoProgress()
        self._done: queue.SimpleQueue[_Fetched | _Page] = queue.SimpleQueue()
        self._waiting: deque[CallToFetch] = deque()
        self._orders: queue.SimpleQueue[CallToFetch | None] = queue.SimpleQueue()
        self._workers = 0
        self._elsewhere: list[CallToFetch] = []
        self._open: dict[date, int] = {}
        self._known: set[str] = set()
        self._finished_ids: list[str] = []
        self._reports: dict[date, DayReport] = {}
        self._stop: BaseException | None = None
        self._running = 0

    def run(
        self, days: Sequence[date], *, known: Sequence[CallToFetch] | None = None, since: datetime | None = None
    ) -> Iterator[DayReport]:
        """Yields a report as each day is stored, newest first as far as the answers allow.

        With `known`, these calls of the days are fetched and no other, and no list is asked for. `since` is when the
        days were ordered (by default, now): what was listed after that, by a run that died, is not listed again.

        One day's trouble is in its report. Refused credentials and a spent budget concern all days: what is held is
        stored, and then they are raised.
        """
        since = since or self._ledger.now()
        listed = set(days) if known is not None else self._listings.days_listed(days, since)
        to_list = stretches(sorted(set(days) - listed))
        newest_first = sorted((*to_list, *stretches(sorted(listed))), key=lambda one: one.days[-1], reverse=True)
        with ThreadPoolExecutor(self._most_workers + 1, thread_name_prefix="clari") as pool:
            try:
                for stretch in newest_first:
                    yield from self._run_stretch(pool, stretch, known, since if stretch in to_list else None)
                    if self._stop is not None:
                        break
            finally:
                self._dismiss()
        if self._stop is not None:
            raise self._stop

    def _run_stretch(
        self,
        pool: ThreadPoolExecutor,
        stretch: Stretch,
        known: Sequence[CallToFetch] | None,
        list_since: datetime | None,
    ) -> Iterator[DayReport]:
        """`list_since` None: the stretch is listed."""
        self._open = dict.fromkeys(stretch.days, 0)
        self._reports = {day: DayReport(day) for day in stretch.days}
        listing, listed_whole = list_since is not None, list_since is None
        if known is not None:
            self._enqueue([call for call in known if call.call_date in self._open])
        elif list_since is None:
            self._enqueue(self._ledger.to_fetch(stretch.days))
        else:
            pool.submit(self._list, stretch, list_since)
        while listing or self._running or self._waiting or self._elsewhere:
            self._refill(pool)
            if not (listing or self._running):
                if not self._elsewhere or self._stop is not None:
                    break
                self._look_elsewhere()
                continue
            for event in self._kept(self._next_events()):
                if isinstance(event, _Fetched):
                    self._settle(event)
                elif event.error is not None:
                    listing = False
                    self._listing_failed(event.error, stretch)
                elif event.call_ids is None:
                    listing, listed_whole = False, True
                    self._enqueue(self._ledger.to_fetch(stretch.days))
                else:
                    self._enqueue(self._ledger.to_fetch(stretch.days, among=event.call_ids))
            if listed_whole and self._stop is None:
                yield from self._store_finished()
        self._release()
        yield from self._store_rest()

    def _next_events(self) -> list[_Fetched | _Page]:
        """What has happened: waits for one event, lingers for its neighbours, and takes all that are there."""
        events = [self._done.get()]
        time.sleep(LINGER_SECONDS)
        with suppress(queue.Empty):
            while True:
                events.append(self._done.get_nowait())
        return events

    def _kept(self, events: list[_Fetched | _Page]) -> list[_Fetched | _Page]:
        """Makes what was received durable, in one transaction for all that arrived together."""
        received = [event.received for event in events if isinstance(event, _Fetched) and event.received is not None]
        if received:
            self._ledger.store_details(received)
        return events

    # --- listing -----------------------------------------------------------------------------------------------

    def _list(self, stretch: Stretch, since: datetime) -> None:
        """In a worker: lists the stretch and hands each page over."""
        try:
            for call_ids in self._lister.pages(stretch.window(self._ledger.zone), since=since, days=stretch.days):
                self._done.put(_Page(stretch, call_ids))
            self._done.put(_Page(stretch, None))
        except Exception as error:  # noqa: BLE001 - handed over whole to the main thread, which sorts it
            self._done.put(_Page(stretch, None, error))

    def _listing_failed(self, error: BaseException, stretch: Stretch) -> None:
        if not isinstance(error, PipelineError) or isinstance(error, CredentialsRefused | QuotaExhausted):
            self._stop_all(error)
        for day in stretch.days:
            self._reports[day].problems.append(f"listing: {error}")

    def _enqueue(self, calls: Sequence[CallToFetch]) -> None:
        wanted = [call for call in calls if call.call_id not in self._known]
        self._known.update(call.call_id for call in wanted)
        for call in wanted:
            self._open[call.call_date] += 1
        self._waiting.extend(wanted)
        self._progress.expect(STEP, len(wanted))

    # --- fetching ----------------------------------------------------------------------------------------------

    def _refill(self, pool: ThreadPoolExecutor) -> None:
        """Keeps the workers fed: claims the next calls and hands them out."""
        if self._stop is not None:
            self._waiting.clear()
            return
        self._hire(pool)
        while self._waiting and self._running < 2 * self._most_workers:
            self._release()
            batch = [self._waiting.popleft() for _ in range(min(CLAIMED_AT_ONCE, len(self._waiting)))]
            claimed = self._claims.acquire([call.call_id for call in batch])
            # Looked at again under the claim: another process may have finished a call just before letting go of it.
            still = {
                call.call_id for call in self._ledger.to_fetch(sorted(self._open), among=[c.call_id for c in batch])
            }
            for call in batch:
                if call.call_id in claimed and call.call_id in still:
                    self._running += 1
                    self._orders.put(call)
                elif call.call_id in still:
                    self._elsewhere.append(call)
                else:
                    self._finished_elsewhere(call, is_claimed=call.call_id in claimed)

    def _finished_elsewhere(self, call: CallToFetch, *, is_claimed: bool) -> None:
        self._open[call.call_date] -= 1
        self._progress.advance(STEP)
        if is_claimed:
            self._finished_ids.append(call.call_id)

    def _look_elsewhere(self) -> None:
        """Another process is fetching these: waits a moment, then what is still wanted is tried for again."""
        time.sleep(ELSEWHERE_SECONDS)
        self._waiting.extend(self._elsewhere)
        self._elsewhere.clear()

    def _hire(self, pool: ThreadPoolExecutor) -> None:
        """As many workers as the pace and the answers' slowness ask for. More would only take turns on one core.

        Two to begin with, then one at a time: the first answers wait for connections and say little.
        """
        needed = self._most_workers
        for _ in range(min(needed - self._workers, 1 if self._workers else needed)):
            self._workers += 1
            pool.submit(self._work)

    def _dismiss(self) -> None:
        with suppress(queue.Empty):
            while True:
                self._orders.get_nowait()
        for _ in range(self._workers):
            self._orders.put(None)

    def _work(self) -> None:
        """A worker: takes calls as they are ordered, until it is dismissed."""
        while (call := self._orders.get()) is not None:
            if self._stop is not None:
                self._done.put(_Fetched(call, Outcome.UNTRIED))
                continue
            try:
                self._done.put(self._fetch_one(call))
            except Exception as error:  # noqa: BLE001 - handed over whole to the main thread, which sorts it
                self._done.put(_Fetched(call, Outcome.FAILED, error=error))

    def _fetch_one(self, call: CallToFetch) -> _Fetched:
        try:
            body = self._client.get_details(call.call_id)
        except NotFound as error:
            self._ledger.record_failure(call.call_id, str(error), defer=True)
            return _Fetched(call, Outcome.MISSING)
        try:
            self._client.check_details(body, call.call_id)
        except UnreadableBody as error:
            return _Fetched(call, Outcome.QUARANTINED, ReceivedDetails(call, pack(body), str(error)))
        return _Fetched(call, Outcome.HELD, ReceivedDetails(call, pack(body)))

    def _settle(self, event: _Fetched) -> None:
        report = self._reports[event.call.call_date]
        self._running -= 1
        self._open[event.call.call_date] -= 1
        self._finished_ids.append(event.call.call_id)
        self._progress.advance(STEP)
        if event.outcome is Outcome.HELD:
            report.fetched += 1
        elif event.outcome is Outcome.QUARANTINED:
            report.quarantined += 1
            self._progress.note(f"call {event.call.call_id} of {report.day} is set aside: its details cannot be read")
        elif event.outcome is Outcome.MISSING:
            report.problems.append(f"call {event.call.call_id}: listed, but its details are not there (404)")
        elif event.error is not None:
            self._fetch_failed(event.call, event.error, report)

    def _fetch_failed(self, call: CallToFetch, error: BaseException, report: DayReport) -> None:
        if isinstance(error, CredentialsRefused | QuotaExhausted) or not isinstance(error, PipelineError):
            self._stop_all(error)
        else:
            self._ledger.record_failure(call.call_id, str(error), defer=False)
        report.problems.append(f"call {call.call_id}: {error}")

    def _stop_all(self, error: BaseException) -> None:
        if self._stop is None:
            self._stop = error
        for call in (*self._waiting, *self._elsewhere):
            self._reports[call.call_date].problems.append(f"call {call.call_id}: not fetched yet")
        self._waiting.clear()

    def _release(self) -> None:
        if self._finished_ids:
            self._claims.release(self._finished_ids)
            self._finished_ids.clear()

    # --- storing -----------------------------------------------------------------------------------------------

    def _store_finished(self) -> Iterator[DayReport]:
        finished = [day for day, left in self._open.items() if left == 0 and day in self._reports]
        for day in sorted(finished, reverse=True):
            yield self._store(day)

    def _store_rest(self) -> Iterator[DayReport]:
        for day in sorted(self._reports, reverse=True):
            yield self._store(day)

    def _store(self, day: date) -> DayReport:
        report = self._reports.pop(day)
        try:
            report.stored = self._storing.store(day)
        except (OSError, pa.ArrowException) as error:  # the bodies are in the ledger still
            report.problems.append(f"the raw file could not be written: {describe_error(error)}")
        return report
