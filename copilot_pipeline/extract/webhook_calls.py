"""Calls that are fetched by id: named by a webhook, or not ready when they were last seen.

A webhook only names a call; everything that is stored comes from the API's own response. Details are fetched under the
same advisory lock that a backfill takes, so that only one of them fetches a call. A call whose details are stored is
looked up in the list first, in a window of two seconds, and fetched again only if its version changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

from copilot_pipeline.clients.clari.client import ClariClient
from copilot_pipeline.clients.clari.dialect import ListWindow
from copilot_pipeline.clients.clari.models import ListedCall, Readiness
from copilot_pipeline.errors import (
    CredentialsRefused,
    PipelineError,
    QuotaExhausted,
    RequestRefused,
    UnreadableBody,
)
from copilot_pipeline.extract.listing import OVERLAP, Lister
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.state import (
    AdvisoryLocks,
    CallState,
    CallStore,
    CallToFetch,
    CallToRetry,
    Inbox,
    InboxItem,
    ListCursors,
    PendingCalls,
    ReceivedDetails,
    SemarizeRunStore,
)
from copilot_pipeline.state.bodies import pack
from copilot_pipeline.state.quarantine import quarantine_unreadable

WEBHOOK = "webhook"
RECHECK = "recheck"
# At nine requests a second a batch takes a few seconds; then the tables of its calls are built.
MAX_WEBHOOKS = 40
MAX_RECHECKS = 20
# While a backfill uses the rate limiter too, a single request at a time would get only a small share of the slots.
REQUESTS_IN_FLIGHT = 4
_NOT_READY = (Readiness.PENDING, Readiness.UNKNOWN)

Item = TypeVar("Item")


@dataclass(slots=True)
class BatchResult:
    """The result of one batch. `fatal` concerns all items: refused credentials or a used-up quota."""

    calls: dict[str, date] = field(default_factory=dict)  # became pending calls: id and day
    runs: dict[str, tuple[date, str]] = field(default_factory=dict)  # reported as finished: run id, day and call id
    processed: int = 0  # webhooks and rechecks
    unknown: int = 0
    given_up: int = 0
    problems: list[str] = field(default_factory=list)
    fatal: BaseException | None = None


class WebhookProcessor:
    """Processes the inbox and the calls that are due for a recheck."""

    def __init__(
        self,
        client: ClariClient,
        calls: CallStore,
        inbox: Inbox,
        pending_calls: PendingCalls,
        locks: AdvisoryLocks,
        database: Database,
        *,
        max_attempts: int,
        kits: int,
        is_in_reach: Callable[[date], bool] = lambda _: True,
    ) -> None:
        """`is_in_reach` returns whether a day has a partition; calls of other days are recorded and not processed."""
        self._client = client
        self._calls = calls
        self._inbox = inbox
        self._pending_calls = pending_calls
        self._locks = locks
        self._database = database
        self._max_attempts = max_attempts
        self._kits = kits
        self._is_in_reach = is_in_reach

    def process_batch(self) -> BatchResult:
        """Process the oldest webhooks of the inbox, then the calls that are due for a recheck.

        After a fatal error no request is sent, and the webhooks that were not processed are released.
        """
        result = BatchResult()
        leased = self._inbox.lease(MAX_WEBHOOKS)
        items = list({(item.kind, item.external_id): item for item in leased}.values())
        # Several webhooks of the same call are processed one after the other.
        self._inbox.release([item for item in leased if item not in items])
        self._for_each(items, lambda item: self._process(item, result), result, self._inbox.release)
        due_calls = self._calls.due_for_retry(self._max_attempts, MAX_RECHECKS) if result.fatal is None else []
        self._for_each(due_calls, lambda call: self._recheck(call, result), result)
        result.processed = len(leased) + len(due_calls)
        return result

    def _for_each(
        self,
        items: Sequence[Item],
        work: Callable[[Item], None],
        result: BatchResult,
        release: Callable[[Sequence[Item]], None] = lambda _: None,
    ) -> None:
        def work_or_release(item: Item) -> None:
            if result.fatal is None:
                try:
                    work(item)
                    return
                except (CredentialsRefused, QuotaExhausted) as error:
                    result.fatal = error
            release([item])

        if items:
            with ThreadPoolExecutor(REQUESTS_IN_FLIGHT, thread_name_prefix="webhooks") as pool:
                list(pool.map(work_or_release, items))

    def _process(self, item: InboxItem, result: BatchResult) -> None:
        try:
            if item.kind == "call":
                self._process_call(item, result)
            else:
                self._process_run(item, result)
        except (CredentialsRefused, QuotaExhausted):
            raise
        except PipelineError as error:
            # The item stays leased; it is processed again when its lease expires.
            result.problems.append(f"{item.kind} {item.external_id}: {error}")

    def _process_call(self, item: InboxItem, result: BatchResult) -> None:
        with self._lock(item.external_id) as is_locked:
            if not is_locked:  # another process is fetching the call; its result is visible at the next attempt
                self._inbox.release([item])
                return
            state = self._calls.find(item.external_id)
            if state is not None and state.readiness is Readiness.READY and state.is_fetched and self._refresh(state):
                self._finish_without_fetching(item, result)
                return
            body = b""
            try:
                # A garbled response leaves the webhook leased: it is processed again when the lease expires.
                with quarantine_unreadable(self._database, "webhook", item.external_id):
                    body = self._client.get_details(item.external_id)
                listed = self._client.item_of_details(body, item.external_id)
            except RequestRefused:  # the API answers an unknown id with 404 or 400
                result.unknown += 1
                self._ack(item)
            except UnreadableBody as error:
                self._calls.quarantine(item.external_id, None, "webhook", str(error), error.body or body)
                self._ack(item)
            else:
                self._store(listed, body, WEBHOOK, item, result)

    def _refresh(self, state: CallState) -> bool:
        """Record the call's list item, which shows whether its version changed.

        Returns False if the call is not in the list at its time, or if the API's list is not cheaper than the details.
        """
        if not self._client.capabilities.has_modified_filter:
            return False
        window = ListWindow("started", state.started_at - OVERLAP, state.started_at + OVERLAP)
        lister = Lister(self._client, self._calls, ListCursors(self._calls), WEBHOOK)
        pages = list(lister.pages(window, since=self._calls.now()))
        return any(state.call_id in page for page in pages)

    def _finish_without_fetching(self, item: InboxItem, result: BatchResult) -> None:
        """Acknowledge the webhook; the call becomes a pending call if it has not reached the scores yet."""
        state = self._calls.find(item.external_id)
        with self._database.transaction() as connection:
            if not self._inbox.ack([item], connection=connection) or state is None:
                return
            if state.is_fetched and not (state.is_loaded and state.finished_runs >= self._kits):
                self._add_pending(state.call_id, state.call_date, result, connection)

    def _process_run(self, item: InboxItem, result: BatchResult) -> None:
        """Make the call of a finished Semarize run a pending call, so that its scores are read and loaded."""
        with self._database.transaction() as connection:
            if not self._inbox.ack([item], connection=connection):
                return
            run = SemarizeRunStore(self._database).find_by_run_id(connection, item.external_id)
            if run is None:
                result.unknown += 1
            elif run.finished_at is None and self._is_in_reach(run.call_date):
                self._pending_calls.add({run.call_id: run.call_date}, connection=connection)
                result.runs[item.external_id] = run.call_date, run.call_id

    def _recheck(self, call: CallToRetry, result: BatchResult) -> None:
        """Fetch a call that was not ready; defer it if it still is not."""
        with self._lock(call.call_id) as is_locked:
            state = self._calls.find(call.call_id) if is_locked else None
            if state is None or state.readiness not in _NOT_READY:
                return
            try:
                body = self._client.get_details(call.call_id)
                listed = self._client.item_of_details(body, call.call_id)
            except (CredentialsRefused, QuotaExhausted):
                raise
            except PipelineError as error:
                reason = str(error)
            else:
                if listed.readiness not in _NOT_READY:
                    self._store(listed, body, RECHECK, None, result)
                    return
                reason = "not ready"
        self._defer(call.call_id, reason, call.attempts + 1, result)

    def _defer(self, call_id: str, reason: str, attempts: int, result: BatchResult) -> None:
        is_last = attempts >= self._max_attempts
        problem = f"{reason} after {attempts} attempts" + (": given up" if is_last else "")
        self._calls.record_failure(call_id, problem, defer=True)
        if is_last:
            result.given_up += 1
            result.problems.append(f"call {call_id}: {problem}. It is fetched when its status changes")

    def _store(self, listed: ListedCall, body: bytes, source: str, item: InboxItem | None, result: BatchResult) -> None:
        """Store the call, its body and the pending call, and acknowledge the webhook, in one transaction."""
        day = self._calls.day_of(listed.started_at)
        with self._database.transaction() as connection:
            if item is not None and not self._inbox.ack([item], connection=connection):
                return
            self._calls.record(connection, [listed], source)
            if listed.readiness is Readiness.READY and not listed.has_details:
                call = CallToFetch(listed.call_id, day, listed.version)
                self._calls.store_details_in(connection, [ReceivedDetails(call, pack(body))])
            self._add_pending(listed.call_id, day, result, connection)

    def _add_pending(self, call_id: str, day: date, result: BatchResult, connection: Connection) -> None:
        if self._is_in_reach(day):
            self._pending_calls.add({call_id: day}, connection=connection)
            result.calls[call_id] = day

    def _ack(self, item: InboxItem) -> None:
        with self._database.transaction() as connection:
            self._inbox.ack([item], connection=connection)

    @contextmanager
    def _lock(self, call_id: str) -> Iterator[bool]:
        is_locked = bool(self._locks.acquire([call_id]))
        try:
            yield is_locked
        finally:
            if is_locked:
                self._locks.release([call_id])
