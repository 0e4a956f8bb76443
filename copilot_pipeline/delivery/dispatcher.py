"""The dispatcher: enqueue what the rules request, and send what is queued.

The two are separate, so that a sink that is unavailable, or a crash, costs nothing but time. Each sink has a thread of
its own, so that a slow sink delays its own deliveries only.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import date, datetime

from copilot_pipeline.config.routes import ANNOUNCING
from copilot_pipeline.delivery.brick_labels import read_brick_labels
from copilot_pipeline.delivery.clock import Clock, DatabaseClock
from copilot_pipeline.delivery.model import Delivery, DeliveryRequest, Sink, UnlinkedCall
from copilot_pipeline.delivery.outbox import Outbox
from copilot_pipeline.delivery.outbox_leases import OutboxLeases, due_sinks
from copilot_pipeline.delivery.rules import Rule
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.marts.reader import ScoredCallReader
from copilot_pipeline.postgres import Database
from copilot_pipeline.progress import NoProgress, Progress

STEP = "deliveries"
MAX_WAIT_SECONDS = 30.0  # how long one run waits for a sink in backoff; longer waits are left to the next run
MIN_WAIT_SECONDS = 0.2
REFRESH_SECONDS = 1.0
_REQUESTS_PER_TRANSACTION = 500

# A repeat would be seen by people, and nothing removes it.
_NOT_REPEATABLE = frozenset({"slack", "email"})

BuildSink = Callable[[str], Sink]


@dataclass(slots=True)
class EnqueueReport:
    """What the rules asked for."""

    calls: int = 0
    added: int = 0  # new rows, suppressed ones included
    suppressed: int = 0  # requests that are never sent: too old, or scored before the route was active
    unlinked: Counter[str] = field(default_factory=Counter)  # by reason


@dataclass(slots=True)
class SendReport:
    """Attempts by (sink, state), and the reason per sink that cannot be built."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    unusable_sinks: dict[str, str] = field(default_factory=dict)

    def total(self, state: str) -> int:
        """Count the attempts that ended in a state, over all sinks."""
        return sum(count for (_, ended), count in self.counts.items() if ended == state)


class Dispatcher:
    """Applies rules to scored calls, and sends the deliveries of the outbox."""

    def __init__(
        self,
        database: Database,
        rules: Sequence[Rule],
        sinks: Mapping[str, str],
        build_sink: BuildSink,
        *,
        may_repeat: frozenset[str] = frozenset(),
        progress: Progress | None = None,
        now: Clock | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`sinks`: kind by name.

        `may_repeat`: Slack sinks for which a repeat is preferred to a lost message.
        """
        self._database = database
        self._rules = rules
        self._sinks = sinks
        self._build_sink = build_sink
        self._may_repeat = may_repeat
        self._progress = progress or NoProgress()
        self._now = now or DatabaseClock(database)
        self._sleep = sleep
        self._calls = ScoredCallReader(database)
        self.outbox = Outbox(database, now=self._now)

    def preview(
        self, days: Sequence[date], *, include_suppressed: bool = False
    ) -> list[DeliveryRequest | UnlinkedCall]:
        """Return what the rules request, without storing or sending anything."""
        active_since = self.outbox.active_since([rule.name for rule in self._rules], activate=False)
        labels = read_brick_labels(self._database)
        previews = []
        for call in self._calls.read_for_rules(days):
            for rule in self._rules:
                request = rule.evaluate(
                    call,
                    now=self._now(),
                    active_since=active_since[rule.name],
                    include_suppressed=include_suppressed,
                    labels=labels,
                )
                if request is not None:
                    previews.append(request)
        return previews

    def enqueue(self, days: Sequence[date], *, include_suppressed: bool = False) -> EnqueueReport:
        """Enqueue what the rules request.

        Of these days, and of calls whose CRM link has changed.

        Safe to repeat: known deliveries stay as they are. `include_suppressed` also sends calls that are too old or
        were scored before their route was active.
        """
        report = EnqueueReport()
        active_since: dict[str, datetime] = {}
        requests: list[DeliveryRequest] = []
        unlinked: list[UnlinkedCall] = []
        not_requested: list[tuple[str, str]] = []
        labels = read_brick_labels(self._database)
        for call in self._calls.read_for_rules(days, self.outbox.relinked_calls()):
            if not report.calls:  # a route becomes active with its first scored call, not in an empty pipeline
                active_since = self.outbox.active_since([rule.name for rule in self._rules], activate=True)
            report.calls += 1
            for rule in self._rules:
                request = rule.evaluate(
                    call,
                    now=self._now(),
                    active_since=active_since[rule.name],
                    include_suppressed=include_suppressed,
                    labels=labels,
                )
                if isinstance(request, DeliveryRequest):
                    requests.append(request)
                elif request is not None:
                    unlinked.append(request)
                elif rule.has_all_answers(call):
                    not_requested.append((rule.name, call.call_id))
            if len(requests) + len(unlinked) >= _REQUESTS_PER_TRANSACTION:
                self._add(requests, unlinked, report, include_suppressed)
                requests, unlinked = [], []
        self._add(requests, unlinked, report, include_suppressed)
        self.outbox.withdraw(not_requested)
        self.outbox.withdraw_removed(days)
        return report

    def _add(
        self,
        requests: Sequence[DeliveryRequest],
        unlinked: Sequence[UnlinkedCall],
        report: EnqueueReport,
        include_suppressed: bool,
    ) -> None:
        report.added += self.outbox.add(requests, unlinked, include_suppressed=include_suppressed)
        report.suppressed += sum(request.suppressed_because is not None for request in requests)
        report.unlinked.update(call.reason for call in unlinked)

    def send(self, *, ignore_backoff: bool = False, max_wait_seconds: float = MAX_WAIT_SECONDS) -> SendReport:
        """Send what is due, to all sinks in parallel.

        Waits at most `max_wait_seconds` for a sink in backoff.

        `ignore_backoff` tries failing sinks immediately, because their problem has been fixed.
        """
        report = SendReport()
        with ThreadPoolExecutor(max(1, len(self._sinks)), thread_name_prefix="sink") as pool:
            running = {pool.submit(self._send_to, name, ignore_backoff, max_wait_seconds): name for name in self._sinks}
            while running:
                done, _ = wait(running, timeout=REFRESH_SECONDS, return_when=FIRST_COMPLETED)
                for name, (counts, problem) in [(running.pop(one), one.result()) for one in done]:
                    report.counts.update({(name, state): count for state, count in counts.items()})
                    if problem is not None:
                        report.unusable_sinks[name] = problem
                # Deliveries that are queued meanwhile for the other sinks do not wait for a slow sink.
                idle = self._sinks.keys() - set(running.values()) - report.unusable_sinks.keys()
                if running and not done:
                    running |= {pool.submit(self._send_to, name, False, 0.0): name for name in self._due(idle)}
        return report

    def due(self) -> list[str]:
        """Return the sinks with a due delivery that have their address and key."""
        return [name for name in self._due(self._sinks.keys()) if self._can_be_built(name)]

    def _due(self, names: Collection[str]) -> list[str]:
        are_records = {name: self._writes_records(name) for name in self._sinks if name in names}
        return due_sinks(self._database, are_records, now=self._now()) if are_records else []

    def _writes_records(self, name: str) -> bool:
        return self._sinks[name] not in ANNOUNCING

    def _can_be_built(self, name: str) -> bool:
        try:
            self._build_sink(name).close()
        except ConfigurationError:
            return False
        return True

    def _send_to(self, name: str, ignore_backoff: bool, max_wait_seconds: float) -> tuple[Counter[str], str | None]:
        """Send to one sink until nothing is due.

        Returns the attempts by state, and why the sink cannot be built.
        """
        counts: Counter[str] = Counter()
        are_records = self._writes_records(name)
        with OutboxLeases(self._database.url, now=self._now) as leases:
            leases.recover(name, may_repeat=self._sinks[name] not in _NOT_REPEATABLE or name in self._may_repeat)
            if leases.next_due_at(name, are_records=are_records) is None:
                return counts, None
            try:
                sink = self._build_sink(name)
            except ConfigurationError as error:
                return counts, str(error)
            try:
                if leases.needs_probe(name):
                    sink.require_probe()
                while True:
                    leased = leases.lease(name, sink.batch_size, are_records=are_records, ignore_backoff=ignore_backoff)
                    ignore_backoff = False  # for one attempt: a sink that still fails is in backoff again
                    if leased:
                        self._attempt(name, sink, leases, leased, counts)
                        continue
                    due_at = leases.next_due_at(name, are_records=are_records)
                    if due_at is None:
                        return counts, None
                    seconds = max(MIN_WAIT_SECONDS, (due_at - self._now()).total_seconds())
                    if seconds > max_wait_seconds:
                        return counts, None
                    max_wait_seconds -= seconds
                    self._sleep(seconds)
            finally:
                sink.close()

    def _attempt(
        self, name: str, sink: Sink, leases: OutboxLeases, leased: Sequence[Delivery], counts: Counter[str]
    ) -> None:
        self._progress.expect(STEP, len(leased))
        results = sink.send(leased)
        leases.complete(name, zip(leased, results, strict=True))
        counts.update(result.status.value for result in results)
        self._progress.advance(STEP, len(leased))
