"""Calls that are fetched by id: named by a webhook, or not ready when they were last seen.

A webhook only names a call; everything that is stored comes from the API's own response. Details are fetched under the
same advisory lock that a backfill takes, so that only one of them fetches a call. A known call is looked up in the list
first, and fetched again only if its version changed.

Unless private calls are included, the details of a call that the list does not show are not kept. The time of an
unknown call, by which it is looked up, is only in its details: they are discarded if the list does not show it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import date

from copilot_pipeline.clients.clari.client import ClariClient
from copilot_pipeline.clients.clari.models import ListedCall, Readiness
from copilot_pipeline.errors import (
    CredentialsRefused,
    PipelineError,
    QuotaExhausted,
    RequestRefused,
    UnreadableBody,
)
from copilot_pipeline.extract.listed_calls import ListedCalls, Lookup
from copilot_pipeline.extract.webhook_batches import REQUESTS_IN_FLIGHT, BatchResult, ReceivedCall, for_each
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.privacy.stored_tombstones import current_tombstones
from copilot_pipeline.state import (
    AdvisoryLocks,
    CallState,
    CallStore,
    CallToFetch,
    CallToRetry,
    Inbox,
    InboxItem,
    PendingCalls,
    ReceivedDetails,
    SemarizeRunStore,
)
from copilot_pipeline.state.bodies import pack
from copilot_pipeline.state.erased import forget_calls
from copilot_pipeline.state.quarantine import quarantine_unreadable

WEBHOOK = "webhook"
RECHECK = "recheck"
# At nine requests a second a batch takes a few seconds; then the tables of its calls are built.
MAX_WEBHOOKS = 40
MAX_RECHECKS = 20
_NOT_READY = (Readiness.PENDING, Readiness.UNKNOWN)


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
        self._listed_calls = ListedCalls(client, calls, WEBHOOK, requests_in_flight=REQUESTS_IN_FLIGHT)

    def process_batch(self) -> BatchResult:
        """Process the oldest webhooks of the inbox, then the calls that are due for a recheck.

        After a fatal error no request is sent, and the webhooks that were not processed are released.
        """
        result = BatchResult()
        leased = self._inbox.lease(MAX_WEBHOOKS)
        items = list({(item.kind, item.external_id): item for item in leased}.values())
        # Several webhooks of the same call are processed one after the other.
        self._inbox.release([item for item in leased if item not in items])
        self._process_each([item for item in items if item.kind == "run"], self._process_run, result)
        self._process_calls(self._without_erased([item for item in items if item.kind == "call"]), result)
        due_calls = self._calls.due_for_retry(self._max_attempts, MAX_RECHECKS) if result.fatal is None else []
        self._recheck_calls(due_calls, result)
        result.processed = len(leased) + len(due_calls)
        return result

    def without_hidden(self, calls: Sequence[CallToFetch]) -> list[CallToFetch]:
        """Return calls to fetch, except those that the list showed some time ago and does not show now."""
        return self._listed_calls.without_hidden(calls) if self._requires_list else list(calls)

    def _process_each(
        self, items: Sequence[InboxItem], work: Callable[[InboxItem, BatchResult], None], result: BatchResult
    ) -> None:
        def process(item: InboxItem) -> None:
            try:
                work(item, result)
            except (CredentialsRefused, QuotaExhausted):
                raise
            except PipelineError as error:
                # The item stays leased; it is processed again when its lease expires.
                result.problems.append(f"{item.kind} {item.external_id}: {error}")

        for_each(items, process, result, self._inbox.release)

    # --- calls named by webhooks -------------------------------------------------------------------------------

    @property
    def _requires_list(self) -> bool:
        return not self._client.includes_private

    def _without_erased(self, items: Sequence[InboxItem]) -> list[InboxItem]:
        """Return the webhooks of calls that are not erased; the others are deleted, and nothing is requested."""
        with self._database.transaction() as connection:
            tombstones = current_tombstones(connection)
            erased = [item.external_id for item in items if tombstones.is_erased(item.external_id)]
            forget_calls(connection, erased)
        return [item for item in items if item.external_id not in erased]

    def _process_calls(self, items: Sequence[InboxItem], result: BatchResult) -> None:
        with self._locks.hold([item.external_id for item in items]) as locked:
            # A call that another process is fetching: its result is visible at the next attempt.
            self._inbox.release([item for item in items if item.external_id not in locked])
            found = [state for call_id in locked if (state := self._calls.find(call_id)) is not None]
            known = {state.call_id: state for state in found}
            lookup = self._look_up_known(found)
            received: dict[str, ReceivedCall] = {}

            def process(item: InboxItem, result: BatchResult) -> None:
                state = known.get(item.external_id)
                if state is not None and self._settle_known(state, lookup, item, result):
                    return
                details = self._fetch(item, result, is_shown=state is not None or not self._requires_list)
                if details is None:
                    return
                if state is None and self._requires_list:
                    received[item.external_id] = details
                else:
                    self._store(details.listed, details.body, WEBHOOK, item, result)

            self._process_each([item for item in items if item.external_id in locked], process, result)
            self._store_shown(received, result)

    def _look_up_known(self, calls: Sequence[CallState]) -> Lookup:
        """Record the list items of known calls, which show whether a version changed and whether a call is visible."""
        if not self._requires_list:
            if not self._client.capabilities.has_modified_filter:  # the list is not cheaper than the details
                return Lookup()
            calls = [call for call in calls if call.readiness is Readiness.READY and call.is_fetched]
        return self._listed_calls.look_up({call.call_id: call.started_at for call in calls})

    def _settle_known(self, state: CallState, lookup: Lookup, item: InboxItem, result: BatchResult) -> bool:
        """Finish a known call that needs no details: its version is stored, or the list does not show it any more."""
        if lookup.check(state.call_id):
            current = self._calls.find(state.call_id)
            if current is not None and current.readiness is Readiness.READY and current.is_fetched:
                self._finish_without_fetching(item, result)
                return True
        elif self._requires_list:
            self._hide(state.call_id, result)
            self._ack(item)
            return True
        return False

    def _fetch(self, item: InboxItem, result: BatchResult, *, is_shown: bool) -> ReceivedCall | None:
        """Return the details; None if there are none that can be parsed. Bytes are quarantined only of a shown call."""
        body = b""
        try:
            # A garbled response leaves the webhook leased: it is processed again when the lease expires.
            with quarantine_unreadable(self._database, "webhook", item.external_id) if is_shown else nullcontext():
                body = self._client.get_details(item.external_id)
            return ReceivedCall(item, self._client.item_of_details(body, item.external_id), body)
        except RequestRefused:  # the API answers an unknown id with 404 or 400
            result.unknown += 1
        except UnreadableBody as error:
            kept = (error.body or body) if is_shown else b""
            self._calls.quarantine(item.external_id, None, "webhook", str(error), kept)
        self._ack(item)
        return None

    def _store_shown(self, received: dict[str, ReceivedCall], result: BatchResult) -> None:
        """Store the details of unknown calls that the list shows; discard the others."""
        starts = {call_id: details.listed.started_at for call_id, details in received.items()}
        lookup = self._listed_calls.look_up(starts, record=False)

        def store(item: InboxItem, result: BatchResult) -> None:
            if lookup.check(item.external_id):
                details = received[item.external_id]
                self._store(details.listed, details.body, WEBHOOK, item, result)
            else:
                self._hide(item.external_id, result)
                self._ack(item)

        self._process_each([details.item for details in received.values()], store, result)

    def _hide(self, call_id: str, result: BatchResult) -> None:
        """Fetch nothing of a call that the list does not show. If it was listed before, mark it as removed."""
        result.hidden += 1
        result.changed_days |= self._calls.mark_removed([call_id])

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

    # --- calls that were not ready -----------------------------------------------------------------------------

    def _recheck_calls(self, calls: Sequence[CallToRetry], result: BatchResult) -> None:
        with self._locks.hold([call.call_id for call in calls]) as locked:
            due = [call for call in calls if call.call_id in locked]
            starts = {call.call_id: call.started_at for call in due} if self._requires_list else {}
            lookup = self._listed_calls.look_up(starts)
            for_each(due, lambda call: self._recheck(call, lookup, result), result)

    def _recheck(self, call: CallToRetry, lookup: Lookup, result: BatchResult) -> None:
        """Fetch a call that was not ready; defer it if it still is not."""
        state = self._calls.find(call.call_id)
        if state is None or state.is_fetched:
            return
        try:
            if self._requires_list and not lookup.check(call.call_id):
                self._hide(call.call_id, result)
                return
            if lookup.shown.get(call.call_id) in _NOT_READY:  # the details would say the same, for a request
                self._defer(call.call_id, "not ready", call.attempts + 1, result)
                return
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
            if self._calls.partitions.days_without_raw([day]):  # its responses were removed because of their age
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
