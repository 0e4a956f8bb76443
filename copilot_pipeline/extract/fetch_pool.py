"""A fixed pool of threads that list and fetch. Results and pages arrive in one queue, which one thread reads."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, replace
from enum import Enum
from threading import Event as Flag
from types import TracebackType

from copilot_pipeline.clients.clari.client import ClariClient
from copilot_pipeline.errors import BodyTooLarge, GarbledResponse, NotFound, UnreadableBody
from copilot_pipeline.state import CallStore, CallToFetch, ReceivedDetails
from copilot_pipeline.state.bodies import pack
from copilot_pipeline.telemetry.requests import seconds_waited

# Bodies that arrive within this time are stored in one transaction.
BATCH_SECONDS = 0.005


class Outcome(Enum):
    """The result of fetching one call."""

    FETCHED = "fetched"
    QUARANTINED = "quarantined"
    NOT_FOUND = "not found"
    FAILED = "failed"
    SKIPPED = "skipped"  # the pool was stopped before


@dataclass(frozen=True, slots=True)
class FetchResult:
    """One call after its request."""

    call: CallToFetch
    outcome: Outcome
    details: ReceivedDetails | None = None
    error: BaseException | None = None
    waited_seconds: float = 0.0  # of it for the rate limiter


@dataclass(frozen=True, slots=True)
class PageListed:
    """The calls of a page are in the state store."""

    call_ids: list[str]


@dataclass(frozen=True, slots=True)
class ListingEnded:
    """The listing of the window is complete, or was stopped, or failed with an error."""

    is_complete: bool
    error: BaseException | None = None


PoolEvent = FetchResult | PageListed | ListingEnded


class FetchPool:
    """`size` threads that list and fetch. The thread that reads `events` does everything else.

    While a window is listed, one of them lists: no more requests than `size` are in flight.

    Use it as a context manager: on exit it finishes the requests in flight and skips the others.
    """

    def __init__(self, client: ClariClient, calls: CallStore, size: int) -> None:
        self.size = size
        self._client = client
        self._calls = calls
        self._events: queue.SimpleQueue[PoolEvent] = queue.SimpleQueue()
        self._is_stopped = Flag()
        self._executor = ThreadPoolExecutor(size, thread_name_prefix="extract")

    def __enter__(self) -> FetchPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._executor.shutdown()

    def stop(self) -> None:
        """Skip all calls whose request has not been sent, and end the listing after the current page."""
        self._is_stopped.set()

    def fetch(self, call: CallToFetch) -> None:
        """Fetch a call; its `FetchResult` is an event."""
        self._executor.submit(copy_context().run, self._fetch, call)  # with the span around the step

    def list_pages(self, pages: Iterator[list[str]]) -> None:
        """List a window; each page and the end of the listing are events."""
        self._executor.submit(copy_context().run, self._list, pages)

    def events(self, timeout: float | None = None) -> list[PoolEvent]:
        """Wait for an event; return it with all that arrive within `BATCH_SECONDS`, or none after the timeout."""
        try:
            events = [self._events.get(timeout=timeout)]
        except queue.Empty:
            return []
        time.sleep(BATCH_SECONDS)
        with suppress(queue.Empty):
            while True:
                events.append(self._events.get_nowait())
        return events

    def _list(self, pages: Iterator[list[str]]) -> None:
        try:
            for call_ids in pages:
                self._events.put(PageListed(call_ids))
                if self._is_stopped.is_set():
                    self._events.put(ListingEnded(is_complete=False))
                    return
            self._events.put(ListingEnded(is_complete=True))
        except Exception as error:  # noqa: BLE001 - passed to the reading thread
            self._events.put(ListingEnded(is_complete=False, error=error))

    def _fetch(self, call: CallToFetch) -> None:
        if self._is_stopped.is_set():
            self._events.put(FetchResult(call, Outcome.SKIPPED))
            return
        waited_before = seconds_waited()
        try:
            result = self._result_of(call)
        except Exception as error:  # noqa: BLE001 - passed to the reading thread
            result = FetchResult(call, Outcome.FAILED, error=error)
        self._events.put(replace(result, waited_seconds=seconds_waited() - waited_before))

    def _result_of(self, call: CallToFetch) -> FetchResult:
        try:
            body = self._client.get_valid_details(call.call_id)
        except NotFound as error:
            self._calls.record_failure(call.call_id, str(error), defer=True)
            return FetchResult(call, Outcome.NOT_FOUND)
        except (GarbledResponse, BodyTooLarge) as error:
            # Not details of any version: what is stored of the call stays as it is.
            self._calls.quarantine_details(call, str(error), error.body or b"")
            return FetchResult(call, Outcome.QUARANTINED)
        except UnreadableBody as error:
            return FetchResult(call, Outcome.QUARANTINED, ReceivedDetails(call, pack(error.body or b""), str(error)))
        return FetchResult(call, Outcome.FETCHED, ReceivedDetails(call, pack(body)))
