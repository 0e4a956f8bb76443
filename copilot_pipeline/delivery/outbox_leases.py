"""Lease deliveries of the outbox for sending, and record the results.

Two processes never send the same row. A row is marked as `sending` with the number of a lease: an advisory lock that
the process holds on the very connection that marked the row. `kill -9` closes the connection and releases the lock, so
the next process finds the row abandoned. Whether the request had been sent is unknown then: a delivery whose repeat
does harm becomes `uncertain` and needs a person; the others are sent again.

Writes to CRM records are merged: of several scores for one record only one write is sent, see `crm_merge`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any

from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

from copilot_pipeline.clients.backoff import Backoff
from copilot_pipeline.delivery.clock import Clock
from copilot_pipeline.delivery.crm_merge import leave_if_relinked, merge_fields
from copilot_pipeline.delivery.model import Delivery, SendResult, SendStatus, SinkProblem
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.session import connect

# Ten minutes at most, so that deliveries resume soon after a sink has recovered.
BACKOFF = Backoff(first_seconds=15.0, max_seconds=600.0, jitter=0.2, max_retry_after_seconds=86_400.0)
# Refused credentials are retried slowly from the start, because some services lock a key after repeated failures.
_EXTRA_FAILURES_FOR_CREDENTIALS = 5
# One of so many attempts at a sink with lost responses sends a message without a probe: some servers answer no probes.
_RISK_EVERY = 6
_LOCK_CLASS = 720_314  # of the leases' advisory locks; the view `outbox_abandoned` uses it as well

_SQL = load_queries("copilot_pipeline.delivery.sql", "leases.sql")


class OutboxLeases:
    """The leases of one sender, released at the end of the block and by a crash."""

    def __init__(self, url: str, *, now: Clock) -> None:
        self._url = url
        self._now = now
        self._open: Connection | None = None
        self._lease_id = 0

    def __enter__(self) -> OutboxLeases:
        self._open = connect(self._url, application_name="copilot-pipeline dispatcher")
        self._lease_id = _one_row(self._open, "new_lease_id")["lease_id"]
        self._open.execute("SELECT pg_advisory_lock(%s, %s)", (_LOCK_CLASS, self._lease_id))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._open is not None:
            self._open.close()

    @property
    def _connection(self) -> Connection:
        if self._open is None:
            raise RuntimeError("the leases are used outside of their block")
        return self._open

    def recover(self, sink: str, *, may_repeat: bool) -> int:
        """Release rows of processes that ended while sending.

        Returns how many became uncertain.
        """
        parameters = {"sink": sink, "may_repeat": may_repeat, "now": self._now()}
        rows = _rows(self._connection, "recover_abandoned", parameters)
        return sum(row["state"] == SendStatus.UNCERTAIN for row in rows)

    def lease(self, sink: str, limit: int, *, are_records: bool, ignore_backoff: bool = False) -> list[Delivery]:
        """Lease up to `limit` due deliveries; none while the sink is in backoff.

        With `are_records`, one per CRM record. A failing sink gets one delivery, from one process at a time.
        """
        now = self._now()
        with self._connection.transaction():
            failures = self._failures_if_due(sink, now, ignore_backoff=ignore_backoff)
            if failures is None:
                return []
            rows = _rows(
                self._connection,
                "due_records" if are_records else "due_messages",
                {"sink": sink, "now": now, "limit": 1 if failures else limit, "ignore_backoff": ignore_backoff},
            )
            leased = [self._lease_one(sink, row, now) for row in rows]
            if failures and rows:
                next_attempt_at = now + timedelta(seconds=BACKOFF.delay(failures + 1))
                self._connection.execute(_SQL["delay_sink"], {"sink": sink, "next_attempt_at": next_attempt_at})
        return [delivery for delivery in leased if delivery is not None]

    def _failures_if_due(self, sink: str, now: datetime, *, ignore_backoff: bool) -> int | None:
        """Lock the sink's row and return its failures; None while it is in backoff."""
        rows = _rows(self._connection, "lock_sink", {"sink": sink, "now": now})
        return int(rows[0]["failures"]) if rows and (rows[0]["is_due"] or ignore_backoff) else None

    def _lease_one(self, sink: str, row: DictRow, now: datetime) -> Delivery | None:
        payload = row["payload"]
        fields: dict[str, Any] | None = None
        if row["target"]:
            fields = merge_fields(self._connection, sink, row["route"], row["target"], row["id"], now)
            if not fields:
                return None
            payload = {**payload, "fields": fields}
        sent_fields = Jsonb(fields) if fields is not None else None
        self._connection.execute(
            _SQL["lease"], {"id": row["id"], "lease_id": self._lease_id, "sent_fields": sent_fields}
        )
        return Delivery(row["id"], row["message_id"], row["target"], payload)

    def complete(self, sink: str, results: Iterable[tuple[Delivery, SendResult]]) -> None:
        """Record the results of leased deliveries and the health of the sink.

        One transaction.
        """
        now = self._now()
        pairs = list(results)
        with self._connection.transaction():
            for delivery, result in pairs:
                self._complete_one(delivery.id, result, now)
            self._record_health(sink, [result for _, result in pairs], now)

    def _complete_one(self, delivery_id: int, result: SendResult, now: datetime) -> None:
        wait = timedelta()
        if result.status is SendStatus.RETRY and result.problem is None:
            attempts = _one_row(self._connection, "attempts", {"id": delivery_id})["attempts"]
            wait = timedelta(seconds=BACKOFF.delay(attempts, result.retry_after_seconds))
        rows = _rows(
            self._connection,
            "complete",
            {
                "id": delivery_id,
                "state": result.status.value,
                "reason": result.reason,
                "next_attempt_at": now + wait,
                "now": now,
                "lease_id": self._lease_id,
            },
        )
        for row in rows:
            if row["target"]:
                leave_if_relinked(self._connection, row["route"], row["call_id"], row["target"], now)
        if result.status is SendStatus.FAILED:
            # The record gets the newest scores that it accepts.
            self._connection.execute(_SQL["queue_superseded"], {"id": delivery_id, "now": now})

    def _record_health(self, sink: str, results: Sequence[SendResult], now: datetime) -> None:
        failed = next((result for result in results if result.problem is not None), None)
        if failed is None:
            statuses = {result.status for result in results}
            if statuses & {SendStatus.SENT, SendStatus.FAILED}:
                has_sent = SendStatus.SENT in statuses
                self._connection.execute(_SQL["sink_works"], {"sink": sink, "has_sent": has_sent, "now": now})
            return
        failures = int(_one_row(self._connection, "sink_failures", {"sink": sink})["failures"]) + 1
        is_refused = failed.problem is SinkProblem.CREDENTIALS
        counted = failures + (_EXTRA_FAILURES_FOR_CREDENTIALS if is_refused else 0)
        self._connection.execute(
            _SQL["sink_fails"],
            {
                "sink": sink,
                "failures": failures,
                "now": now,
                "next_attempt_at": now + timedelta(seconds=BACKOFF.delay(counted, failed.retry_after_seconds)),
                "problem": str(failed.problem),
                "reason": failed.reason,
            },
        )

    def needs_probe(self, sink: str) -> bool:
        """Return whether a message became uncertain since the sink fails.

        The sink is probed first then.

        False for every sixth attempt, because some servers answer no probes.
        """
        parameters = {"sink": sink, "risk_every": _RISK_EVERY}
        return bool(_rows(self._connection, "has_new_uncertain_messages", parameters))

    def next_due_at(self, sink: str, *, are_records: bool) -> datetime | None:
        """Return when the next delivery of the sink is due, or None if none is queued."""
        return _next_due_at(self._connection, sink, are_records)


def due_sinks(database: Database, are_records: Mapping[str, bool], *, now: datetime) -> list[str]:
    """Return the sinks with a due delivery or an abandoned one.

    `are_records`: sink -> writes CRM records.
    """
    with database.connection() as connection:
        return [
            sink
            for sink, writes_records in are_records.items()
            if ((due_at := _next_due_at(connection, sink, writes_records)) is not None and due_at <= now)
            or _one_row(connection, "is_abandoned", {"sink": sink})["is_abandoned"]
        ]


def _next_due_at(connection: Connection, sink: str, are_records: bool) -> datetime | None:
    due_at: datetime | None = _one_row(
        connection, "next_record_at" if are_records else "next_message_at", {"sink": sink}
    )["due_at"]
    return due_at


def _rows(connection: Connection, name: str, parameters: Mapping[str, Any] | None = None) -> list[DictRow]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_SQL[name], parameters).fetchall()


def _one_row(connection: Connection, name: str, parameters: Mapping[str, Any] | None = None) -> DictRow:
    """Return the only row of a statement that always returns one."""
    (row,) = _rows(connection, name, parameters)
    return row
