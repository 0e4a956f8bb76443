"""The inbox: what webhooks announced, from the moment they are answered until a run has followed them.

A row is a hint ("look at this call"), never a fact about it. Its life:

    put ──► waits ──take──► taken ──done──► done (kept a week, then forgotten)
              ▲                │
              └── give_back, or the lease runs out (the process that took it died)

`done` belongs to the transaction that writes what the hint led to. So a process killed at any moment either has both
the result and the end of the hint, or neither: each hint has its effect exactly once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

import psycopg

from copilot_pipeline.postgres import Database

Connection = psycopg.Connection[tuple[Any, ...]]
Kind = Literal["call", "run"]

LEASE_SECONDS = 240.0  # how long a taken hint is left alone; above the longest time that a request is insisted on
MOST_LEASES = 15  # a hint that led to trouble is tried again after one lease, then two, and so on up to an hour
KEPT_DAYS = 7


class PutResult(StrEnum):
    """What became of a delivery."""

    ACCEPTED = "accepted"  # its hints are in the inbox, on disk
    DUPLICATE = "duplicate"  # the sender delivers the same thing again, as it may: nothing was written
    REPLAYED = "replayed"  # its signature was used before: refused, nothing was written


@dataclass(frozen=True, slots=True)
class InboundWebhook:
    """One webhook, authenticated and read: the ids that it announces and what it is recognized by.

    `signature` and `delivery` are fingerprints (32 bytes, or None where the way it was authenticated has none);
    `expires_at` (aware) says how long they are to be remembered. With `may_repeat`, the sender repeats a delivery
    byte for byte when it saw no answer, so that a known delivery is no replay.
    """

    kind: Kind
    ids: tuple[str, ...]
    endpoint: str
    expires_at: datetime
    signature_hash: bytes | None = None
    message_hash: bytes | None = None
    may_repeat: bool = False

    @property
    def fingerprints(self) -> tuple[bytes, ...]:
        """What it is recognized by."""
        return tuple(mark for mark in (self.signature_hash, self.message_hash) if mark is not None)


@dataclass(frozen=True, slots=True)
class InboxItem:
    """A hint that was taken. `taken_at` is the proof of whose it is: a later take makes it void."""

    id: int
    kind: Kind
    external_id: str
    endpoint: str
    received_at: datetime
    leased_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class InboxBacklog:
    """What could be taken now. `newest_id` serves as a run key: it changes only when something new arrives."""

    count: int
    newest_id: int | None
    oldest_received_at: datetime | None


# One statement, so one round trip and one commit for a whole batch. Sorted, so that two receivers never deadlock.
_PUT = """
WITH fresh AS (
  INSERT INTO copilot_ops.seen_deliveries (fingerprint, forget_after)
  SELECT * FROM unnest(%(marks)s::bytea[], %(forget)s::timestamptz[]) AS new (mark, forget_after) ORDER BY mark
  ON CONFLICT DO NOTHING RETURNING fingerprint
), announced AS (
  SELECT kind, subject, min(source) AS source, count(*) AS deliveries
  FROM unnest(%(kinds)s::text[], %(ids)s::text[], %(sources)s::text[], %(signatures)s::bytea[],
    %(deliveries)s::bytea[]) AS hint (kind, subject, source, signature, delivery)
  WHERE (signature IS NULL OR signature IN (SELECT fingerprint FROM fresh))
    AND (delivery IS NULL OR delivery IN (SELECT fingerprint FROM fresh))
  GROUP BY kind, subject ORDER BY kind, subject
), written AS (
  INSERT INTO copilot_ops.inbox AS known (kind, subject, source, deliveries)
  SELECT kind, subject, source, deliveries FROM announced
  ON CONFLICT (kind, subject) WHERE taken_at IS NULL
  DO UPDATE SET deliveries = known.deliveries + excluded.deliveries
)
SELECT fingerprint FROM fresh
"""

_TAKEABLE = """done_at IS NULL
  AND (taken_at IS NULL OR taken_at < clock_timestamp() - make_interval(secs => %(lease)s * least(takes, %(most)s)))
  AND (%(kind)s::text IS NULL OR kind = %(kind)s)"""


class Inbox:
    """All hints. Every method is one transaction, unless it is given the connection of another one."""

    def __init__(self, database: Database, *, lease_seconds: float = LEASE_SECONDS) -> None:
        self._database = database
        self._lease_seconds = lease_seconds

    def put(self, deliveries: Sequence[InboundWebhook], *, connection: Connection | None = None) -> list[PutResult]:
        """Writes a batch and returns what became of each, in order. A subject that waits already is not doubled."""
        with self._on(connection) as used:
            return put_webhooks(used, deliveries)

    def backlog(self, kind: Kind | None = None) -> InboxBacklog:
        """What could be taken now: one look at a small index."""
        with self._database.connection() as connection:
            row = connection.execute(
                f"SELECT count(*), max(id), min(received_at) FROM copilot_ops.inbox WHERE {_TAKEABLE}",
                {"lease": self._lease_seconds, "most": MOST_LEASES, "kind": kind},
            ).fetchone()
        return InboxBacklog(*row) if row else InboxBacklog(0, None, None)

    def lease(self, limit: int, kind: Kind | None = None) -> list[InboxItem]:
        """The oldest hints that nobody works on, at most `limit`; nobody else is given them within the lease."""
        with self._database.connection() as connection:
            rows = connection.execute(
                f"""UPDATE copilot_ops.inbox AS item SET taken_at = clock_timestamp(), takes = takes + 1
                WHERE id IN (SELECT id FROM copilot_ops.inbox WHERE {_TAKEABLE}
                  ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
                RETURNING id, kind, subject, source, received_at, taken_at, takes""",
                {"lease": self._lease_seconds, "most": MOST_LEASES, "kind": kind, "limit": limit},
            ).fetchall()
        return sorted((InboxItem(*row) for row in rows), key=lambda item: item.id)

    def ack(self, items: Sequence[InboxItem], *, connection: Connection) -> set[int]:
        """Ends hints as part of `connection`'s transaction, and returns the ids that were still the caller's.

        Call it first in the transaction and write results only for what it returns: an item whose lease ran out and
        that somebody else took is not among them.
        """
        rows = connection.execute(
            """UPDATE copilot_ops.inbox AS item SET done_at = clock_timestamp()
            FROM unnest(%s::bigint[], %s::timestamptz[]) AS held (id, taken_at)
            WHERE item.id = held.id AND item.taken_at = held.taken_at AND item.done_at IS NULL RETURNING item.id""",
            ([item.id for item in items], [item.leased_at for item in items]),
        ).fetchall()
        return {int(row[0]) for row in rows}

    def release(self, items: Sequence[InboxItem]) -> None:
        """Lets others take these at once, as if nobody had. A newer hint of the same subject may wait beside."""
        if not items:
            return
        with self._database.connection() as connection:
            connection.execute(
                """UPDATE copilot_ops.inbox AS item SET taken_at = 'epoch', takes = takes - 1
                FROM unnest(%s::bigint[], %s::timestamptz[]) AS held (id, taken_at)
                WHERE item.id = held.id AND item.taken_at = held.taken_at AND item.done_at IS NULL""",
                ([item.id for item in items], [item.leased_at for item in items]),
            )

    def purge(self, *, connection: Connection | None = None) -> None:
        """Drops hints that were followed a week ago, and fingerprints whose time is over."""
        with self._on(connection) as used:
            purge_inbox(used)

    @contextmanager
    def _on(self, connection: Connection | None) -> Iterator[Connection]:
        if connection is not None:
            yield connection
        else:
            with self._database.connection() as own:
                yield own


def put_webhooks(connection: Connection, deliveries: Sequence[InboundWebhook]) -> list[PutResult]:
    """`Inbox.put` on a connection of one's own, for the receiver."""
    first_uses, marks = _first_uses(deliveries)
    hints = [(each, subject) for each in first_uses for subject in dict.fromkeys(each.ids)]
    rows = connection.execute(
        _PUT,
        {
            "marks": list(marks),
            "forget": list(marks.values()),
            "kinds": [each.kind for each, _ in hints],
            "ids": [subject for _, subject in hints],
            "sources": [each.endpoint for each, _ in hints],
            "signatures": [each.signature_hash for each, _ in hints],
            "deliveries": [each.message_hash for each, _ in hints],
        },
    ).fetchall()
    fresh = {bytes(row[0]) for row in rows}
    outcomes = []
    for each in deliveries:
        outcomes.append(_outcome(each, fresh))
        fresh.difference_update(each.fingerprints)  # the next one with the same mark is a repetition
    return outcomes


def _first_uses(deliveries: Sequence[InboundWebhook]) -> tuple[list[InboundWebhook], dict[bytes, datetime]]:
    """The deliveries that share no mark with an earlier one of the batch, and all marks."""
    firsts: list[InboundWebhook] = []
    marks: dict[bytes, datetime] = {}
    for each in deliveries:
        if not any(mark in marks for mark in each.fingerprints):
            firsts.append(each)
        for mark in each.fingerprints:
            marks.setdefault(mark, each.expires_at)
    return firsts, marks


def _outcome(delivery: InboundWebhook, fresh: set[bytes]) -> PutResult:
    is_new_signature = delivery.signature_hash is None or delivery.signature_hash in fresh
    is_new_delivery = delivery.message_hash is None or delivery.message_hash in fresh
    if is_new_signature and is_new_delivery:
        return PutResult.ACCEPTED
    if not is_new_delivery and (is_new_signature or delivery.may_repeat):
        return PutResult.DUPLICATE
    return PutResult.REPLAYED


def purge_inbox(connection: Connection) -> None:
    """`Inbox.forget` on a connection of one's own."""
    connection.execute("DELETE FROM copilot_ops.seen_deliveries WHERE forget_after < now()")
    connection.execute("DELETE FROM copilot_ops.inbox WHERE done_at < now() - make_interval(days => %s)", (KEPT_DAYS,))
