"""Taking deliveries out of the outbox to send them, and writing down what became of them.

Two processes never send the same row: a row is marked `sending` under a number whose advisory lock the process holds,
on the very connection that marked it. `kill -9` closes the connection, the lock is gone, and the next process sees that
nobody sends the row any more. Whether the request had gone out by then nobody can know: a row whose repeat does harm
becomes `uncertain` and waits for a person; the others are simply sent again.

To a CRM only the state counts. Of several scores for one record the newest call's goes out, fields it does not answer
are filled from the calls before it, and an older score never follows a newer one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Literal

import psycopg
from psycopg.types.json import Jsonb

from copilot_pipeline.clients.backoff import Backoff
from copilot_pipeline.delivery.crm_merge import leave_if_moved, written_for
from copilot_pipeline.delivery.outbox import Clock, utc_now
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection

# Ten minutes at most, so that deliveries resume soon after a sink has recovered.
BACKOFF = Backoff(first_seconds=15.0, max_seconds=600.0, jitter=0.2, max_retry_after_seconds=86_400.0)
# A key that is refused is not tried again soon: some services lock it. As if it had failed so often already.
_HEAD_START_OF_CREDENTIALS = 5
# Of so many tries at a sink that leaves messages uncertain one is a message, the others a question: some servers answer
# no questions.
_RISKED_EVERY = 6
_SPACE = 720_314  # the first key of the locks: senders of this pipeline

# What may be sent next: each message; of a CRM's record the newest scores of each rule, the rest gives way to them.
# A record that is being written just now is left alone: two requests at once could end in either order.
_NEXT_MESSAGES = """
next AS (SELECT id, target, next_attempt_at FROM copilot_ops.outbox WHERE sink = %(sink)s AND state = 'waiting')
"""
_NEXT_RECORDS = """
next AS (
  SELECT DISTINCT ON (target, route) id, target, next_attempt_at FROM copilot_ops.outbox AS waiting
  WHERE sink = %(sink)s AND state = 'waiting' AND NOT EXISTS (
    SELECT 1 FROM copilot_ops.outbox AS other
    WHERE other.sink = waiting.sink AND other.target = waiting.target AND other.state = 'sending')
  ORDER BY target, route, call_started_at DESC, scored_at DESC, id DESC)
"""
# One request never names a record twice. Of two rules for it the one that has waited longer goes first: a rule whose
# writes are put off must not put off the other's.
_TAKEN_ONCE = {
    False: "SELECT id FROM next WHERE next_attempt_at <= %(now)s OR %(ignore_delay)s ORDER BY id LIMIT %(most)s",
    True: """SELECT id FROM (
      SELECT DISTINCT ON (target) id FROM next WHERE next_attempt_at <= %(now)s OR %(ignore_delay)s
      ORDER BY target, next_attempt_at, id) AS due ORDER BY id LIMIT %(most)s""",
}
_IS_ABANDONED = f"""state = 'sending' AND sink = %(sink)s AND NOT EXISTS (
  SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = {_SPACE} AND objid::integer = claim
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"""


State = Literal["delivered", "refused", "waiting", "uncertain"]


@dataclass(frozen=True, slots=True)
class Taken:
    """A delivery to send now."""

    id: int
    message_id: str
    target: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of one. `trouble` is set where it concerns the whole sink: down, busy or credentials."""

    id: int
    state: State
    reason: str | None = None
    retry_after_seconds: float | None = None
    trouble: str | None = None


class Sending:
    """One sender. Leave the block, or die, and its rows are free."""

    def __init__(self, url: str, *, now: Clock = utc_now) -> None:
        self._url = url
        self._now = now
        self._open: Connection | None = None
        self._claim = 0

    def __enter__(self) -> Sending:
        self._open = psycopg.connect(self._url, autocommit=True, application_name="copilot-pipeline sending")
        row = self._open.execute("SELECT nextval('copilot_ops.outbox_claims')::integer").fetchone()
        self._claim = int(row[0]) if row else 0
        self._open.execute("SELECT pg_advisory_lock(%s, %s)", (_SPACE, self._claim))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._open is not None:
            self._open.close()

    @property
    def _connection(self) -> Connection:
        if self._open is None:
            raise RuntimeError("deliveries are taken outside of their block")
        return self._open

    def recover(self, sink: str, *, may_repeat: bool) -> int:
        """Rows of this sink that a process was sending when it died. Returns how many became uncertain."""
        rows = self._connection.execute(
            f"""UPDATE copilot_ops.outbox SET claim = NULL,
              state = CASE WHEN %(may_repeat)s THEN 'waiting' ELSE 'uncertain' END,
              settled_at = CASE WHEN %(may_repeat)s THEN NULL ELSE %(now)s END,
              reason = CASE WHEN %(may_repeat)s THEN 'its sender ended before the answer'
                ELSE 'its sender ended before the answer: it may have arrived' END
            WHERE {_IS_ABANDONED} RETURNING state""",
            {"sink": sink, "may_repeat": may_repeat, "now": self._now()},
        ).fetchall()
        return sum(row[0] == "uncertain" for row in rows)

    def take(self, sink: str, most: int, *, are_records: bool, ignore_delay: bool = False) -> list[Taken]:
        """Marks up to `most` due rows as being sent and returns them; none while the sink is left alone.

        Where they `are_records` of a CRM, one row a record: the newest call's. A sink that fails is tried with one row,
        and by one process at a time.
        """
        now = self._now()
        with self._connection.transaction():
            failures = self._may_try(sink, now, ignore_delay=ignore_delay)
            if failures is None:
                return []
            rows = self._connection.execute(
                f"""WITH {_next(are_records)} SELECT id, route, target, message_id, payload FROM copilot_ops.outbox
                WHERE id IN ({_TAKEN_ONCE[are_records]}) ORDER BY id""",
                {"sink": sink, "now": now, "most": 1 if failures else most, "ignore_delay": ignore_delay},
            ).fetchall()
            taken = [self._mark(sink, row, now) for row in rows]
            if failures and rows:
                self._connection.execute(
                    "UPDATE copilot_ops.sinks SET next_try_at = %s WHERE name = %s",
                    (now + timedelta(seconds=BACKOFF.delay(failures + 1)), sink),
                )
        return [one for one in taken if one is not None]

    def _may_try(self, sink: str, now: datetime, *, ignore_delay: bool) -> int | None:
        """The sink's failures so far, its row locked; None while it is to be left alone."""
        self._connection.execute("INSERT INTO copilot_ops.sinks (name) VALUES (%s) ON CONFLICT DO NOTHING", (sink,))
        row = self._connection.execute(
            "SELECT failures, next_try_at <= %s FROM copilot_ops.sinks WHERE name = %s FOR UPDATE", (now, sink)
        ).fetchone()
        return int(row[0]) if row is not None and (row[1] or ignore_delay) else None

    def _mark(self, sink: str, row: tuple[Any, ...], now: datetime) -> Taken | None:
        delivery_id, route, target, message_id, payload = row
        fields: dict[str, Any] | None = None
        if target:
            fields = written_for(self._connection, sink, route, target, delivery_id, now)
            if not fields:
                return None
            payload = {**payload, "fields": fields}
        self._connection.execute(
            """UPDATE copilot_ops.outbox SET state = 'sending', claim = %s, attempts = attempts + 1, sent = %s
            WHERE id = %s""",
            (self._claim, Jsonb(fields) if fields is not None else None, delivery_id),
        )
        return Taken(delivery_id, message_id, target, payload)

    def settle(self, sink: str, settlements: Sequence[Settlement]) -> None:
        """Writes down what became of rows that this sender took, and how the sink is, as one."""
        now = self._now()
        with self._connection.transaction():
            for one in settlements:
                self._settle_one(one, now)
            self._note_health(sink, settlements, now)

    def _settle_one(self, one: Settlement, now: datetime) -> None:
        wait = timedelta()
        if one.state == "waiting" and one.trouble is None:
            row = self._connection.execute(
                "SELECT attempts FROM copilot_ops.outbox WHERE id = %s", (one.id,)
            ).fetchone()
            wait = timedelta(seconds=BACKOFF.delay(int(row[0]) if row else 1, one.retry_after_seconds))
        settled = self._connection.execute(
            """UPDATE copilot_ops.outbox SET state = %(state)s, reason = %(reason)s, claim = NULL,
              next_attempt_at = %(next)s, settled_at = CASE WHEN %(state)s = 'waiting' THEN NULL ELSE %(now)s END
            WHERE id = %(id)s AND (claim = %(claim)s OR state = 'uncertain') RETURNING route, call_id, target""",
            {
                "state": one.state, "reason": one.reason, "next": now + wait, "now": now, "id": one.id,
                "claim": self._claim,
            },
        ).fetchone()  # fmt: skip
        if settled is not None and settled[2]:
            route, call_id, target = settled
            leave_if_moved(self._connection, route, call_id, target, now)
        if one.state == "refused":
            # What gave way to it comes back: the record shall have the newest score that it takes.
            self._connection.execute(
                """UPDATE copilot_ops.outbox SET state = 'waiting', settled_at = NULL, superseded_by = NULL,
                  next_attempt_at = %s, reason = 'the newer score was refused'
                WHERE superseded_by = %s AND state = 'superseded'""",
                (now, one.id),
            )

    def _note_health(self, sink: str, settlements: Sequence[Settlement], now: datetime) -> None:
        troubled = next((one for one in settlements if one.trouble is not None), None)
        if troubled is None:
            if any(one.state in ("delivered", "refused") for one in settlements):  # it answers
                self._connection.execute(
                    """UPDATE copilot_ops.sinks SET failures = 0, failing_since = NULL, next_try_at = '-infinity',
                      trouble = NULL, last_problem = NULL,
                      last_success_at = CASE WHEN %s THEN %s ELSE last_success_at END WHERE name = %s""",
                    (any(one.state == "delivered" for one in settlements), now, sink),
                )
            return
        row = self._connection.execute("SELECT failures FROM copilot_ops.sinks WHERE name = %s", (sink,)).fetchone()
        failures = (int(row[0]) if row else 0) + 1
        counted = failures + (_HEAD_START_OF_CREDENTIALS if troubled.trouble == "credentials" else 0)
        next_try = now + timedelta(seconds=BACKOFF.delay(counted, troubled.retry_after_seconds))
        self._connection.execute(
            """UPDATE copilot_ops.sinks SET failures = %s, failing_since = coalesce(failing_since, %s),
              next_try_at = %s, trouble = %s, last_problem = %s WHERE name = %s""",
            (failures, now, next_try, troubled.trouble, troubled.reason, sink),
        )

    def is_in_doubt(self, sink: str) -> bool:
        """A message became uncertain since the sink fails, and it is not yet time to risk another one."""
        row = self._connection.execute(
            """SELECT 1 FROM copilot_ops.sinks WHERE name = %(sink)s AND failures %% %(every)s <> 0 AND EXISTS (
              SELECT 1 FROM copilot_ops.outbox
              WHERE sink = %(sink)s AND state = 'uncertain' AND settled_at >= failing_since)""",
            {"sink": sink, "every": _RISKED_EVERY},
        ).fetchone()
        return row is not None

    def next_due(self, sink: str, *, are_records: bool) -> datetime | None:
        """When something of this sink may next be sent; None where nothing waits."""
        return _next_due(self._connection, sink, are_records)


def due_sinks(database: Database, sinks: Mapping[str, bool], *, now: datetime) -> list[str]:
    """Those of some sinks (name: are they records?) that have something to send now, or a sender that has died."""
    with database.connection() as connection:
        return [
            sink
            for sink, are_records in sinks.items()
            if ((due := _next_due(connection, sink, are_records)) is not None and due <= now)
            or connection.execute(
                f"SELECT 1 FROM copilot_ops.outbox WHERE {_IS_ABANDONED} LIMIT 1", {"sink": sink}
            ).fetchone()
        ]


def _next(are_records: bool) -> str:
    return _NEXT_RECORDS if are_records else _NEXT_MESSAGES


def _next_due(connection: Connection, sink: str, are_records: bool) -> datetime | None:
    row = connection.execute(
        f"""WITH {_next(are_records)}
        SELECT min(greatest(next_attempt_at, coalesce(sinks.next_try_at, '-infinity')))
        FROM next LEFT JOIN copilot_ops.sinks ON sinks.name = %(sink)s""",
        {"sink": sink},
    ).fetchone()
    return row[0] if row else None
