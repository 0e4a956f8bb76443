"""Delivering: what rules ask for goes into the outbox, and what waits in the outbox goes out.

The two are apart, so that a sink that is down, or a process that dies, costs nothing but time. Each sink is served by
a thread of its own: one that hangs holds up its own deliveries only.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import date, datetime

from copilot_pipeline.config.routes import ANNOUNCING
from copilot_pipeline.delivery.model import Delivery, DeliveryRequest, Outcome, Sink, Unlinked, Verdict
from copilot_pipeline.delivery.outbox import Clock, NewDelivery, Outbox, UnlinkedCall, utc_now
from copilot_pipeline.delivery.outbox_leases import Sending, Settlement, State, Taken, due_sinks
from copilot_pipeline.delivery.rules import Rule
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.marts.reader import ScoredCallReader
from copilot_pipeline.postgres import Database
from copilot_pipeline.progress import NoProgress, Progress

STEP = "deliveries"
PATIENCE_SECONDS = 30.0  # how long one run waits for a sink that asks for a moment; longer waits are the next run's
_PUT_AT_ONCE = 500
SHORTEST_WAIT_SECONDS = 0.2
SECONDS_BETWEEN_LOOKS = 1.0
_STATES: dict[Verdict, State] = {
    Verdict.DELIVERED: "delivered",
    Verdict.REFUSED: "refused",
    Verdict.LATER: "waiting",
    Verdict.UNSURE: "uncertain",
}

BuildSink = Callable[[str], Sink]


@dataclass(slots=True)
class Enqueued:
    """What rules asked for."""

    calls: int = 0
    added: int = 0  # new rows, the silenced ones included
    silenced: int = 0  # wishes that are never sent: too old, or there before the rule
    unlinked: Counter[str] = field(default_factory=Counter)  # by reason


@dataclass(slots=True)
class Sent:
    """What became of attempts, by sink and state; `problems` are sinks that cannot be used at all."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    problems: dict[str, str] = field(default_factory=dict)

    def total(self, state: str) -> int:
        """Attempts that ended in a state, over all sinks."""
        return sum(count for (_, ended), count in self.counts.items() if ended == state)


class Dispatcher:
    """Rules, sinks and the outbox, put together."""

    def __init__(
        self,
        database: Database,
        rules: Sequence[Rule],
        sinks: Mapping[str, str],
        build_sink: BuildSink,
        *,
        may_repeat: frozenset[str] = frozenset(),
        progress: Progress | None = None,
        now: Clock = utc_now,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`sinks`: kind by name, of all to serve. `may_repeat`: Slack sinks where a repeat is preferred to a gap."""
        self._database = database
        self._rules = rules
        self._sinks = sinks
        self._build_sink = build_sink
        self._may_repeat = may_repeat
        self._progress = progress or NoProgress()
        self._now = now
        self._sleep = sleep
        self._calls = ScoredCallReader(database)
        self.outbox = Outbox(database, now=now)

    # --- what should go out ------------------------------------------------------------------------------------

    def preview(self, days: Sequence[date], *, is_loud: bool = False) -> list[DeliveryRequest | Unlinked]:
        """What would be asked for, of these days: nothing is written and nothing is sent."""
        first_seen = self.outbox.first_seen([rule.name for rule in self._rules], remember=False)
        found = []
        for call in self._calls.read_for_rules(days):
            for rule in self._rules:
                wish = rule.consider(call, now=self._now(), since=first_seen[rule.name], is_loud=is_loud)
                if wish is not None:
                    found.append(wish)
        return found

    def enqueue(self, days: Sequence[date], *, is_loud: bool = False) -> Enqueued:
        """Puts into the outbox what the rules ask for, of these days and of calls whose CRM link has changed.

        Safe to repeat: what is there stays as it is. `is_loud` also sends what is old or was there before its rule.
        """
        report = Enqueued()
        since: dict[str, datetime] = {}
        wishes: list[DeliveryRequest] = []
        unlinked: list[Unlinked] = []
        settled: list[tuple[str, str]] = []
        for call in self._calls.read_for_rules(days, self.outbox.relinked_calls()):
            if not report.calls:  # a rule begins with the first scored call it sees, not with an empty pipeline
                since = self.outbox.first_seen([rule.name for rule in self._rules], remember=True)
            report.calls += 1
            for rule in self._rules:
                wish = rule.consider(call, now=self._now(), since=since[rule.name], is_loud=is_loud)
                if isinstance(wish, DeliveryRequest):
                    wishes.append(wish)
                elif wish is not None:
                    unlinked.append(wish)
                elif rule.knows(call):
                    settled.append((rule.name, call.call_id))
            if len(wishes) + len(unlinked) >= _PUT_AT_ONCE:
                self._put(wishes, unlinked, report, is_loud)
        self._put(wishes, unlinked, report, is_loud)
        self.outbox.withdraw(settled)
        return report

    def _put(self, wishes: list[DeliveryRequest], unlinked: list[Unlinked], report: Enqueued, is_loud: bool) -> None:
        report.added += self.outbox.put(
            [_row(wish) for wish in wishes],
            [UnlinkedCall(one.route, one.call_id, one.reason, one.crm_system, one.deal_id) for one in unlinked],
            is_loud=is_loud,
        )
        report.silenced += sum(wish.silent_because is not None for wish in wishes)
        report.unlinked.update(one.reason for one in unlinked)
        wishes.clear()
        unlinked.clear()

    # --- what goes out -----------------------------------------------------------------------------------------

    def send(self, *, ignore_delay: bool = False, patience_seconds: float = PATIENCE_SECONDS) -> Sent:
        """Sends what is due, to all sinks at once. What waits for longer than `patience_seconds` is left waiting.

        `ignore_delay` tries failing sinks now: somebody has mended them.
        """
        report = Sent()
        with ThreadPoolExecutor(max(1, len(self._sinks)), thread_name_prefix="sink") as pool:
            served = {pool.submit(self._serve, name, ignore_delay, patience_seconds): name for name in self._sinks}
            while served:
                done, _ = wait(served, timeout=SECONDS_BETWEEN_LOOKS, return_when=FIRST_COMPLETED)
                for name, (counts, problem) in [(served.pop(one), one.result()) for one in done]:
                    report.counts.update({(name, state): count for state, count in counts.items()})
                    if problem is not None:
                        report.problems[name] = problem
                # What comes in meanwhile for the others does not wait for a sink that takes its time.
                idle = self._sinks.keys() - set(served.values()) - report.problems.keys()
                if served and not done:
                    served |= {pool.submit(self._serve, name, False, 0.0): name for name in self._due(idle)}
        return report

    def due(self) -> list[str]:
        """The sinks that something could be sent to now. One that lacks its address or key is none of them."""
        return [name for name in self._due(self._sinks.keys()) if self._can_be_built(name)]

    def _due(self, names: Collection[str]) -> list[str]:
        are_records = {name: kind not in ANNOUNCING for name, kind in self._sinks.items() if name in names}
        return due_sinks(self._database, are_records, now=self._now()) if are_records else []

    def _can_be_built(self, name: str) -> bool:
        try:
            self._build_sink(name).close()
        except ConfigurationError:
            return False
        return True

    def _serve(self, name: str, ignore_delay: bool, patience_seconds: float) -> tuple[Counter[str], str | None]:
        """One sink, until nothing is due. Returns the counts by state, and why it cannot be used at all."""
        counts: Counter[str] = Counter()
        kind = self._sinks[name]
        with Sending(self._database.url, now=self._now) as sending:
            sending.recover(name, may_repeat=kind != "slack" or name in self._may_repeat)
            if sending.next_due(name, are_records=kind not in ANNOUNCING) is None:
                return counts, None
            try:
                sink = self._build_sink(name)
            except ConfigurationError as error:
                return counts, str(error)
            try:
                if sending.is_in_doubt(name):
                    sink.doubt()
                while True:
                    taken = sending.take(
                        name, sink.batch_size, are_records=kind not in ANNOUNCING, ignore_delay=ignore_delay
                    )
                    ignore_delay = False  # one try: a sink that is still down is left alone again
                    if taken:
                        self._attempt(name, sink, sending, taken, counts)
                        continue
                    seconds = self._seconds_to_wait(name, sending)
                    if seconds is None or seconds > patience_seconds:
                        return counts, None
                    patience_seconds -= seconds
                    self._sleep(seconds)
            finally:
                sink.close()

    def _attempt(self, name: str, sink: Sink, sending: Sending, taken: Sequence[Taken], counts: Counter[str]) -> None:
        self._progress.expect(STEP, len(taken))
        outcomes = sink.send([Delivery(one.id, one.message_id, one.target, one.payload) for one in taken])
        settlements = [_settlement(one, outcome) for one, outcome in zip(taken, outcomes, strict=True)]
        sending.settle(name, settlements)
        counts.update(one.state for one in settlements)
        self._progress.advance(STEP, len(taken))

    def _seconds_to_wait(self, name: str, sending: Sending) -> float | None:
        due = sending.next_due(name, are_records=self._sinks[name] not in ANNOUNCING)
        return None if due is None else max(SHORTEST_WAIT_SECONDS, (due - self._now()).total_seconds())


def _row(wish: DeliveryRequest) -> NewDelivery:
    return NewDelivery(
        wish.route, wish.sink, wish.kind, wish.call_id, wish.version, wish.target, wish.call_started_at,
        wish.scored_at, wish.payload, wish.silent_because,
    )  # fmt: skip


def _settlement(taken: Taken, outcome: Outcome) -> Settlement:
    return Settlement(
        taken.id,
        _STATES[outcome.verdict],
        outcome.reason,
        outcome.retry_after_seconds,
        str(outcome.trouble) if outcome.trouble is not None else None,
    )
