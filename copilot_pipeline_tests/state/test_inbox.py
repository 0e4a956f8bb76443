"""Each id is queued once, leased to one run, and acknowledged together with its result."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from copilot_pipeline.postgres import Database
from copilot_pipeline.state import InboundWebhook, Inbox, PutResult
from copilot_pipeline_tests.receiver.process import inbox as rows


def webhook(*ids: str, signature: bytes | None = None, message: bytes | None = None, **named: bool) -> InboundWebhook:
    """Return a webhook with call ids."""
    expires_at = datetime.now(UTC) + timedelta(hours=1)
    return InboundWebhook("call", ids, "test", expires_at, signature_hash=signature, message_hash=message, **named)


def count_results(database: Database, name: str) -> int:
    """Return how often a result was written."""
    with database.connection() as connection:
        row = connection.execute("SELECT value FROM copilot_ops.key_values WHERE name = %s", (name,)).fetchone()
    return int(row[0]) if row else 0


def test_leases_each_item_to_one_caller(database: Database) -> None:
    """Twenty concurrent callers share two hundred items: each is leased, none twice."""
    inbox = Inbox(database)
    inbox.put([webhook(*(f"c{number}" for number in range(200))), webhook("c0", "c1")])
    assert inbox.backlog().count == 200
    with ThreadPoolExecutor(20) as pool:
        leased = [item for items in pool.map(lambda _: inbox.lease(10), range(20)) for item in items]
    assert sorted(item.external_id for item in leased) == sorted(f"c{number}" for number in range(200))
    assert inbox.backlog().count == 0
    assert inbox.lease(10) == []


def test_leases_the_oldest_items_first(database: Database) -> None:
    """At most as many as the limit, and only of the requested kind."""
    inbox = Inbox(database)
    inbox.put([webhook("c1")])
    inbox.put([InboundWebhook("run", ("r1",), "semarize", datetime.now(UTC))])
    inbox.put([webhook("c2")])
    assert [item.external_id for item in inbox.lease(1)] == ["c1"]
    assert [item.external_id for item in inbox.lease(9, "call")] == ["c2"]
    assert inbox.backlog("call").count == 0
    assert inbox.backlog("run").count == 1
    assert inbox.backlog().oldest_received_at is not None


def test_queues_an_id_again_while_it_is_leased(database: Database) -> None:
    """A call that changes after it was leased is processed again."""
    inbox = Inbox(database)
    inbox.put([webhook("c1")])
    first = inbox.lease(1)
    inbox.put([webhook("c1"), webhook("c1")])
    with database.transaction() as connection:
        assert inbox.ack(first, connection=connection) == {first[0].id}
    assert inbox.backlog().count == 1
    assert [row[2] for row in rows(database)] == [1, 2]


def test_ack_is_part_of_the_callers_transaction(database: Database) -> None:
    """If the transaction fails, the item stays leased, and after the lease another caller processes it."""
    inbox = Inbox(database, lease_seconds=0)
    inbox.put([webhook("c1")])
    items = inbox.lease(1)
    with database.transaction() as connection:
        assert inbox.ack(items, connection=connection) == {items[0].id}
        raise psycopg.Rollback
    again = inbox.lease(1)
    assert [item.attempts for item in again] == [2]
    with database.transaction() as connection:
        assert inbox.ack(again, connection=connection) == {items[0].id}
    assert inbox.lease(1) == []


def test_does_not_ack_an_item_whose_lease_expired(database: Database) -> None:
    """A slow run gets no ids back if another caller has leased its item."""
    inbox = Inbox(database, lease_seconds=0)
    inbox.put([webhook("c1")])
    slow = inbox.lease(1)
    fast = inbox.lease(1)
    with database.transaction() as connection:
        assert inbox.ack(slow, connection=connection) == set()
    with database.transaction() as connection:
        assert inbox.ack(fast, connection=connection) == {fast[0].id}


def test_leases_a_released_item_immediately(database: Database) -> None:
    """Before the lease would have expired, and also while a newer item of the same call is queued."""
    inbox = Inbox(database)
    inbox.put([webhook("c1")])
    items = inbox.lease(1)
    inbox.put([webhook("c1")])
    inbox.release(items)
    assert len(inbox.lease(9)) == 2


_WORKER = """
import os, sys
from copilot_pipeline.postgres import Database
from copilot_pipeline.state import Inbox
database = Database(sys.argv[1])
inbox = Inbox(database, lease_seconds=0)
killed_at = int(sys.argv[2])
for step in range(10):
    items = inbox.lease(1)
    if not items:
        break
    if step == killed_at:
        os.kill(os.getpid(), 9)
    with database.transaction() as connection:
        for item in items:
            if item.id in inbox.ack(items, connection=connection):
                connection.execute(
                    "INSERT INTO copilot_ops.key_values VALUES (%s, '1') ON CONFLICT (name)"
                    " DO UPDATE SET value = (copilot_ops.key_values.value::int + 1)::text", (item.external_id,))
        if step == killed_at - 1:
            os.kill(os.getpid(), 9)
os._exit(0)
"""


@pytest.mark.e2e
def test_each_item_takes_effect_once_if_workers_are_killed(database: Database) -> None:
    """Workers killed after the lease, or before the commit, leave nothing unprocessed and nothing processed twice."""
    inbox = Inbox(database)
    inbox.put([webhook("c1", "c2", "c3", "c4")])
    for killed_at in (0, 2, 99):
        subprocess.run([sys.executable, "-c", _WORKER, database.url, str(killed_at)], check=False, timeout=60)
    assert [count_results(database, name) for name in ("c1", "c2", "c3", "c4")] == [1, 1, 1, 1]
    assert Inbox(database, lease_seconds=0).backlog().count == 0


def test_recognizes_repetitions_within_and_between_batches(database: Database) -> None:
    """The same signature is a replay, the same message a duplicate, whichever batch had the first one."""
    inbox = Inbox(database)
    batch = [
        webhook("c1", signature=b"s1"),
        webhook("c1", signature=b"s1"),
        webhook("c2", signature=b"s2", message=b"m2"),
        webhook("c2", signature=b"s3", message=b"m2"),
        webhook("c2", signature=b"s2", message=b"m2", may_repeat=True),
        webhook("c3"),
        webhook("c3"),
    ]
    accepted, duplicate, replayed = PutResult.ACCEPTED, PutResult.DUPLICATE, PutResult.REPLAYED
    assert inbox.put(batch) == [accepted, replayed, accepted, duplicate, duplicate, accepted, accepted]
    assert inbox.put(batch) == [replayed, replayed, replayed, replayed, duplicate, accepted, accepted]
    assert rows(database) == [("call", "c1", 1), ("call", "c2", 1), ("call", "c3", 4)]


def test_purges_old_items_and_fingerprints_but_not_queued_ones(database: Database) -> None:
    """Fingerprints after they expire, items a week after they were acknowledged; a queued item stays."""
    inbox = Inbox(database)
    inbox.put([webhook("old", signature=b"s1"), webhook("queued", signature=b"s2")])
    with database.connection() as connection:
        connection.execute(
            """UPDATE copilot_ops.inbox SET received_at = now() - interval '30 days',
              leased_at = CASE WHEN external_id = 'old' THEN now() END,
              acked_at = CASE WHEN external_id = 'old' THEN now() - interval '8 days' END"""
        )
        connection.execute(
            "UPDATE copilot_ops.seen_webhooks SET expires_at = now() - interval '1 s' WHERE fingerprint = 's1'"
        )
    inbox.purge()
    assert [row[1] for row in rows(database)] == ["queued"]
    assert inbox.put([webhook("old", signature=b"s1"), webhook("queued", signature=b"s2")]) == [
        PutResult.ACCEPTED,
        PutResult.REPLAYED,
    ]
