"""The inbox: ids received by webhook, from the response to the sender until a run has processed them.

An item means that a call or a run may have changed; its state is always read from the API.

    put ──► queued ──lease──► leased ──ack──► acked (deleted a week later)
              ▲                  │
              └── release, or the lease expires (its process crashed)

`ack` is part of the transaction that writes the result of an item. After a crash either both are there or neither, so
each item takes effect exactly once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_all, fetch_one, fetch_values

Kind = Literal["call", "run"]

LEASE_SECONDS = 240.0  # longer than the longest time for which a request is retried
MAX_LEASES = 15  # the lease of an item grows with its attempts, up to this many times `LEASE_SECONDS` (an hour)
RETENTION_DAYS = 7
_SQL = load_queries(f"{__package__}.sql", "inbox.sql")


class PutResult(StrEnum):
    """What `Inbox.put` did with a webhook."""

    ACCEPTED = "accepted"  # its ids are in the inbox, on disk
    DUPLICATE = "duplicate"  # the sender repeats a webhook, as it may: nothing was written
    REPLAYED = "replayed"  # its signature was used before: refused, nothing was written


@dataclass(frozen=True, slots=True)
class InboundWebhook:
    """An authenticated webhook: the ids in it, and the fingerprints by which a repetition is recognized.

    The fingerprints are hashes of 32 bytes, None if the authentication has no such thing. They are kept until
    `expires_at` (aware). With `may_repeat` the sender repeats a webhook byte for byte if it got no response, so a known
    message is a duplicate and not a replay.
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
        """The hashes that it has."""
        return tuple(each for each in (self.signature_hash, self.message_hash) if each is not None)


@dataclass(frozen=True, slots=True)
class InboxItem:
    """A leased item. `leased_at` identifies the lease: a later lease of the item invalidates it."""

    id: int
    kind: Kind
    external_id: str
    endpoint: str
    received_at: datetime
    leased_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class InboxBacklog:
    """Items that can be leased. `newest_id` changes only when a new item is added, so it can serve as a run key."""

    count: int
    newest_id: int | None
    oldest_received_at: datetime | None


class Inbox:
    """All items. Every method is one transaction, unless it is given a connection."""

    def __init__(self, database: Database, *, lease_seconds: float = LEASE_SECONDS) -> None:
        self._database = database
        self._lease_seconds = lease_seconds

    def put(self, webhooks: Sequence[InboundWebhook], *, connection: Connection | None = None) -> list[PutResult]:
        """Add the ids of webhooks; return the result of each, in order. An id that is queued is not added twice."""
        with self._connection(connection) as used:
            return put_webhooks(used, webhooks)

    def backlog(self, kind: Kind | None = None) -> InboxBacklog:
        """Return what can be leased now."""
        with self._database.connection() as connection:
            backlog = fetch_one(connection, InboxBacklog, _SQL["backlog"], self._lease_values(kind))
        assert backlog is not None
        return backlog

    def lease(self, limit: int, kind: Kind | None = None) -> list[InboxItem]:
        """Lease the oldest items, at most `limit`. No other caller gets them before the lease expires."""
        with self._database.connection() as connection:
            values = {**self._lease_values(kind), "limit": limit}
            items = fetch_all(connection, InboxItem, _SQL["lease"], values)
        return sorted(items, key=lambda item: item.id)

    def ack(self, items: Sequence[InboxItem], *, connection: Connection) -> set[int]:
        """Mark items as processed in `connection`'s transaction; return the ids whose lease is still the caller's.

        Call it first in the transaction, and write results only for the returned ids: the others were leased by another
        process after their lease had expired.
        """
        return set(fetch_values(connection, _SQL["ack"], _lease_keys(items)))

    def release(self, items: Sequence[InboxItem]) -> None:
        """End leases early, as if they had never been granted. A newer item with the same id may be queued as well."""
        if items:
            with self._database.connection() as connection:
                connection.execute(_SQL["release"], _lease_keys(items))

    def purge(self, *, connection: Connection | None = None) -> None:
        """Delete items that were processed a week ago, and expired fingerprints."""
        with self._connection(connection) as used:
            purge_inbox(used)

    def _lease_values(self, kind: Kind | None) -> dict[str, Any]:
        return {"lease_seconds": self._lease_seconds, "max_leases": MAX_LEASES, "kind": kind}

    @contextmanager
    def _connection(self, connection: Connection | None) -> Iterator[Connection]:
        if connection is not None:
            yield connection
        else:
            with self._database.connection() as own:
                yield own


def put_webhooks(connection: Connection, webhooks: Sequence[InboundWebhook]) -> list[PutResult]:
    """Do what `Inbox.put` does on a given connection."""
    first_uses, fingerprints = _first_uses(webhooks)
    items = [(webhook, external_id) for webhook in first_uses for external_id in dict.fromkeys(webhook.ids)]
    values = {
        "fingerprints": list(fingerprints),
        "expires_at": list(fingerprints.values()),
        "kinds": [webhook.kind for webhook, _ in items],
        "ids": [external_id for _, external_id in items],
        "endpoints": [webhook.endpoint for webhook, _ in items],
        "signature_hashes": [webhook.signature_hash for webhook, _ in items],
        "message_hashes": [webhook.message_hash for webhook, _ in items],
    }
    new_fingerprints = {bytes(fingerprint) for fingerprint in fetch_values(connection, _SQL["put"], values)}
    results = []
    for webhook in webhooks:
        results.append(_result(webhook, new_fingerprints))
        new_fingerprints.difference_update(
            webhook.fingerprints
        )  # the next one with the same fingerprint is a repetition
    return results


def _first_uses(webhooks: Sequence[InboundWebhook]) -> tuple[list[InboundWebhook], dict[bytes, datetime]]:
    """Return the webhooks that share no fingerprint with an earlier one of the batch, and all fingerprints."""
    first_uses: list[InboundWebhook] = []
    fingerprints: dict[bytes, datetime] = {}
    for webhook in webhooks:
        if not any(fingerprint in fingerprints for fingerprint in webhook.fingerprints):
            first_uses.append(webhook)
        for fingerprint in webhook.fingerprints:
            fingerprints.setdefault(fingerprint, webhook.expires_at)
    return first_uses, fingerprints


def _result(webhook: InboundWebhook, new_fingerprints: set[bytes]) -> PutResult:
    is_new_signature = webhook.signature_hash is None or webhook.signature_hash in new_fingerprints
    is_new_message = webhook.message_hash is None or webhook.message_hash in new_fingerprints
    if is_new_signature and is_new_message:
        return PutResult.ACCEPTED
    if not is_new_message and (is_new_signature or webhook.may_repeat):
        return PutResult.DUPLICATE
    return PutResult.REPLAYED


def purge_inbox(connection: Connection) -> None:
    """Do what `Inbox.purge` does on a given connection."""
    connection.execute(_SQL["purge_fingerprints"])
    connection.execute(_SQL["purge_items"], {"days": RETENTION_DAYS})


def _lease_keys(items: Sequence[InboxItem]) -> dict[str, list[Any]]:
    return {"ids": [item.id for item in items], "leased_at": [item.leased_at for item in items]}
