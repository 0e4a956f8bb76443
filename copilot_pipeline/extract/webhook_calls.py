"""Hints: calls that are looked at by their id, because a webhook named them or because they were not ready before.

A hint says where to look and nothing else: what the ledger learns comes from the API's own answer. Details are asked
for under the same claim that a backfill takes, so that a call which both want is fetched by one of them. A call whose
details are held already is looked up in the list, for a moment's worth of it: the list shows whether its version has
moved, and the details of a version are asked for once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

from copilot_pipeline.clients.clari import ClariClient, ListWindow
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
    Inbox,
    InboxItem,
    ListCursors,
    PendingCalls,
    ReceivedDetails,
    SemarizeRunStore,
)
from copilot_pipeline.state.bodies import pack

WEBHOOK = "webhook"
LOOK = "recheck"
# At the pace of nine a second this many are a few seconds' work, and then the first of them are made into tables.
HINTS_AT_ONCE = 40
LOOKS_AT_ONCE = 20
# Beside a backfill's requests, one at a time would wait for its turn each time.
REQUESTS_IN_FLIGHT = 4
_UNREADY = (Readiness.PENDING, Readiness.UNKNOWN)

Item = TypeVar("Item")


@dataclass(slots=True)
class BatchResult:
    """What following hints came to."""

    calls: dict[str, date] = field(default_factory=dict)  # to be brought through to their scores
    runs: dict[str, tuple[date, str]] = field(default_factory=dict)  # announced as ended: run id, day and call
    hints: int = 0  # and looks
    unknown: int = 0
    given_up: int = 0
    problems: list[str] = field(default_factory=list)
    stop: BaseException | None = None  # what concerns all hints: refused credentials, a spent budget


class WebhookProcessor:
    """Follows hints into the ledger."""

    def __init__(
        self,
        client: ClariClient,
        ledger: CallStore,
        inbox: Inbox,
        arrivals: PendingCalls,
        claims: AdvisoryLocks,
        database: Database,
        *,
        max_attempts: int,
        kits: int,
        is_in_reach: Callable[[date], bool] = lambda _: True,
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._inbox = inbox
        self._arrivals = arrivals
        self._claims = claims
        self._database = database
        self._most_looks = max_attempts
        self._kits = kits
        self._is_in_reach = is_in_reach

    def follow(self) -> BatchResult:
        """The oldest hints of the inbox, and the calls that are due for another look; some of each.

        What concerns all of them stops the rest, which is given back, and is in the report.
        """
        followed = BatchResult()
        taken = self._inbox.lease(HINTS_AT_ONCE)
        items = list({(item.kind, item.external_id): item for item in taken}.values())
        self._inbox.release([item for item in taken if item not in items])  # announced anew: one after the other
        self._each(items, lambda item: self._follow(item, followed), followed, self._inbox.release)
        due = self._ledger.due_for_retry(self._most_looks, LOOKS_AT_ONCE) if followed.stop is None else []
        self._each(due, lambda one: self._look_again(one.call_id, one.attempts, followed), followed)
        followed.hints = len(taken) + len(due)
        return followed

    def _each(
        self,
        items: Sequence[Item],
        work: Callable[[Item], None],
        followed: BatchResult,
        release: Callable[[Sequence[Item]], None] = lambda _: None,
    ) -> None:
        """Several at a time."""

        def one(item: Item) -> None:
            if followed.stop is None:
                try:
                    work(item)
                    return
                except (CredentialsRefused, QuotaExhausted) as error:
                    followed.stop = error
            release([item])

        if items:
            with ThreadPoolExecutor(REQUESTS_IN_FLIGHT, thread_name_prefix="hints") as pool:
                list(pool.map(one, items))

    def _follow(self, item: InboxItem, followed: BatchResult) -> None:
        try:
            if item.kind == "call":
                self._follow_call(item, followed)
            else:
                self._follow_run(item, followed)
        except (CredentialsRefused, QuotaExhausted):
            raise
        except PipelineError as error:
            # It stays taken until its lease runs out, and is then tried again.
            followed.problems.append(f"{item.kind} {item.external_id}: {error}")

    def _follow_call(self, item: InboxItem, followed: BatchResult) -> None:
        with self._claimed(item.external_id) as is_ours:
            if not is_ours:  # somebody is fetching it right now: what came of it is seen in a moment
                self._inbox.release([item])
                return
            known = self._ledger.find(item.external_id)
            if known is not None and known.readiness is Readiness.READY and known.is_fetched and self._is_listed(known):
                self._follow_known(item, followed)
                return
            try:
                body = self._client.get_details(item.external_id)
                listed = self._client.item_of_details(body, item.external_id)
            except RequestRefused:  # for an id that it does not know, the API answers 404 or 400
                followed.unknown += 1
                self._over(item)
                return
            except UnreadableBody as error:
                self._ledger.quarantine(item.external_id, None, "webhook", str(error), body)
                self._over(item)
                return
            self._write(listed, body, WEBHOOK, item, followed)

    def _is_listed(self, known: CallState) -> bool:
        """Looks a call up in the list, which tells the ledger whether anything of it has changed.

        False where it is not at its time any more, or where a list costs more than the call itself.
        """
        if not self._client.capabilities.has_modified_filter:
            return False
        window = ListWindow("started", known.started_at - OVERLAP, known.started_at + OVERLAP)
        lister = Lister(self._client, self._ledger, ListCursors(self._ledger), WEBHOOK)
        pages = list(lister.pages(window, since=self._ledger.now()))
        return any(known.call_id in page for page in pages)

    def _follow_known(self, item: InboxItem, followed: BatchResult) -> None:
        """Nothing is to be fetched for the hint. Where the call is not through yet, it is taken along."""
        known = self._ledger.find(item.external_id)
        with self._database.transaction() as connection:
            if not self._inbox.ack([item], connection=connection) or known is None:
                return
            if known.is_fetched and not (known.is_loaded and known.finished_runs >= self._kits):
                self._arrived(known.call_id, known.call_date, followed, connection)

    def _follow_run(self, item: InboxItem, followed: BatchResult) -> None:
        """Semarize says that a run has ended: it is read at once, and the scores of its call are made anew."""
        with self._database.transaction() as connection:
            if not self._inbox.ack([item], connection=connection):
                return
            run = SemarizeRunStore(self._database).find_by_run_id(connection, item.external_id)
            if run is None:
                followed.unknown += 1
            elif run.finished_at is None and self._is_in_reach(run.call_date):
                self._arrivals.add({run.call_id: run.call_date}, connection=connection)
                followed.runs[item.external_id] = run.call_date, run.call_id

    def _look_again(self, call_id: str, attempts: int, followed: BatchResult) -> None:
        with self._claimed(call_id) as is_ours:
            known = self._ledger.find(call_id) if is_ours else None
            if known is None or known.readiness not in _UNREADY:
                return
            try:
                body = self._client.get_details(call_id)
                listed = self._client.item_of_details(body, call_id)
            except (CredentialsRefused, QuotaExhausted):
                raise
            except PipelineError as error:
                found = str(error)
            else:
                if listed.readiness not in _UNREADY:
                    self._write(listed, body, LOOK, None, followed)
                    return
                found = "not ready"
        is_last = attempts + 1 >= self._most_looks
        words = f"{found} after {attempts + 1} looks" + (": given up" if is_last else "")
        self._ledger.record_failure(call_id, words, defer=True)
        if is_last:
            followed.given_up += 1
            followed.problems.append(f"call {call_id}: {words}; a change of its status brings it back")

    def _write(
        self, listed: ListedCall, body: bytes, source: str, item: InboxItem | None, followed: BatchResult
    ) -> None:
        """The call, its body, the end of the hint, and that the call is on its way: as one."""
        day = self._ledger.day_of(listed.started_at)
        with self._database.transaction() as connection:
            if item is not None and not self._inbox.ack([item], connection=connection):
                return
            self._ledger.record(connection, [listed], source)
            if listed.readiness is Readiness.READY and not listed.has_details:
                call = CallToFetch(listed.call_id, day, listed.version)
                self._ledger.store_details_in(connection, [ReceivedDetails(call, pack(body))])
            self._arrived(listed.call_id, day, followed, connection)

    def _arrived(self, call_id: str, day: date, followed: BatchResult, connection: Connection) -> None:
        if self._is_in_reach(day):
            self._arrivals.add({call_id: day}, connection=connection)
            followed.calls[call_id] = day

    def _over(self, item: InboxItem) -> None:
        with self._database.transaction() as connection:
            self._inbox.ack([item], connection=connection)

    @contextmanager
    def _claimed(self, call_id: str) -> Iterator[bool]:
        is_ours = bool(self._claims.acquire([call_id]))
        try:
            yield is_ours
        finally:
            if is_ours:
                self._claims.release([call_id])
