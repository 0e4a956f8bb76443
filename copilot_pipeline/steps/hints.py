"""Hints: calls that are looked at by their id, because a webhook named them or because they were not ready before.

A hint says where to look and nothing else: what the ledger learns comes from the API's own answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from copilot_pipeline.clari import ClariClient
from copilot_pipeline.database import Database
from copilot_pipeline.errors import BudgetSpent, CredentialsRefused, NotFound, PipelineError, UnreadableBody
from copilot_pipeline.ledger import CallLedger, Inbox, InboxItem, ReceivedDetails, WantedCall
from copilot_pipeline.ledger.bodies import pack
from copilot_pipeline.records import ListedCall, Readiness

WEBHOOK = "webhook"
LOOK = "look"
HINTS_AT_ONCE = 500
LOOKS_AT_ONCE = 100


@dataclass(slots=True)
class Followed:
    """What following hints came to."""

    calls: int = 0
    unknown: int = 0
    given_up: int = 0
    run_days: set[date] = field(default_factory=set)  # days with Semarize runs that were announced
    problems: list[str] = field(default_factory=list)


class Hints:
    """Follows hints into the ledger."""

    def __init__(
        self, client: ClariClient, ledger: CallLedger, inbox: Inbox, database: Database, *, most_looks: int
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._inbox = inbox
        self._database = database
        self._most_looks = most_looks

    def follow(self) -> Followed:
        """Everything in the inbox, and the calls that are due for another look."""
        followed = Followed()
        while items := self._inbox.take(HINTS_AT_ONCE):
            self._follow_items(items, followed)
        for call_id, looks in self._ledger.due_for_a_look(self._most_looks, LOOKS_AT_ONCE):
            self._look_again(call_id, looks, followed)
        self._inbox.forget()
        return followed

    def _follow_items(self, items: list[InboxItem], followed: Followed) -> None:
        for place, item in enumerate(items):
            try:
                if item.kind == "call":
                    self._follow_call(item, followed)
                else:
                    self._follow_run(item, followed)
            except (CredentialsRefused, BudgetSpent):
                self._inbox.give_back(items[place:])
                raise
            except PipelineError as error:
                # It stays taken until its lease runs out, and is then tried again.
                followed.problems.append(f"{item.kind} {item.subject}: {error}")

    def _follow_call(self, item: InboxItem, followed: Followed) -> None:
        try:
            body = self._client.get_details(item.subject)
            listed = self._client.item_of_details(body, item.subject)
        except NotFound:
            followed.unknown += 1
            with self._database.transaction() as connection:
                self._inbox.done([item], connection=connection)
            return
        except UnreadableBody as error:
            self._ledger.quarantine(item.subject, None, "webhook", str(error), body)
            with self._database.transaction() as connection:
                self._inbox.done([item], connection=connection)
            return
        self._write(listed, body, WEBHOOK, item)
        followed.calls += 1

    def _follow_run(self, item: InboxItem, followed: Followed) -> None:
        """Semarize says that a run has ended: its day is scored anew, which reads the run."""
        with self._database.transaction() as connection:
            self._inbox.done([item], connection=connection)
            row = connection.execute(
                "SELECT call_date FROM copilot_ops.semarize_runs WHERE run_id = %s", (item.subject,)
            ).fetchone()
        if row is None:
            followed.unknown += 1
        else:
            followed.run_days.add(row[0])

    def _look_again(self, call_id: str, looks: int, followed: Followed) -> None:
        try:
            body = self._client.get_details(call_id)
            listed = self._client.item_of_details(body, call_id)
        except (CredentialsRefused, BudgetSpent):
            raise
        except PipelineError as error:
            self._ledger.note_problem(call_id, str(error), look_again=True)
            return
        if listed.readiness in (Readiness.PENDING, Readiness.UNKNOWN):
            is_last = looks + 1 >= self._most_looks
            words = f"not ready after {looks + 1} looks" + (": given up" if is_last else "")
            self._ledger.note_problem(call_id, words, look_again=True)
            if is_last:
                followed.given_up += 1
                followed.problems.append(f"call {call_id}: {words}; a change of its status brings it back")
            return
        self._write(listed, body, LOOK, None)
        followed.calls += 1

    def _write(self, listed: ListedCall, body: bytes, door: str, item: InboxItem | None) -> None:
        """The call, its body and the end of the hint, as one."""
        with self._database.transaction() as connection:
            if item is not None and not self._inbox.done([item], connection=connection):
                return
            self._ledger.record(connection, [listed], door)
            if listed.readiness is Readiness.READY and not listed.has_details:
                call = WantedCall(listed.call_id, self._ledger.day_of(listed.started_at), listed.version)
                self._ledger.keep_on(connection, [ReceivedDetails(call, pack(body))])
