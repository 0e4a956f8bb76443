"""Hints wait, are taken by one, and end together with what they led to."""

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


def hint(*ids: str, signature: bytes | None = None, delivery: bytes | None = None, **named: bool) -> InboundWebhook:
    """A delivery of calls."""
    until = datetime.now(UTC) + timedelta(hours=1)
    return InboundWebhook("call", ids, "test", until, signature_hash=signature, message_hash=delivery, **named)


def note(database: Database, name: str) -> int:
    """How often a result was written."""
    with database.connection() as connection:
        row = connection.execute("SELECT value FROM copilot_ops.key_values WHERE name = %s", (name,)).fetchone()
    return int(row[0]) if row else 0


def test_a_hint_waits_once_and_is_taken_by_one(database: Database) -> None:
    """Twenty takers at once share two hundred hints: each is taken, none twice, the oldest first."""
    inbox = Inbox(database)
    inbox.put([hint(*(f"c{number}" for number in range(200))), hint("c0", "c1")])
    assert inbox.backlog().count == 200
    with ThreadPoolExecutor(20) as pool:
        taken = [item for items in pool.map(lambda _: inbox.lease(10), range(20)) for item in items]
    assert sorted(item.external_id for item in taken) == sorted(f"c{number}" for number in range(200))
    assert inbox.backlog().count == 0
    assert inbox.lease(10) == []


def test_the_oldest_are_taken_first_and_kinds_apart(database: Database) -> None:
    """A limit takes the oldest; a run that wants calls is given no runs."""
    inbox = Inbox(database)
    inbox.put([hint("c1")])
    inbox.put([InboundWebhook("run", ("r1",), "semarize", datetime.now(UTC))])
    inbox.put([hint("c2")])
    assert [item.external_id for item in inbox.lease(1)] == ["c1"]
    assert [item.external_id for item in inbox.lease(9, "call")] == ["c2"]
    assert inbox.backlog("call").count == 0
    assert inbox.backlog("run").count == 1
    assert inbox.backlog().oldest_received_at is not None


def test_announced_again_while_worked_on_it_waits_anew(database: Database) -> None:
    """A call that changes after it was taken is not forgotten with the older hint."""
    inbox = Inbox(database)
    inbox.put([hint("c1")])
    first = inbox.lease(1)
    inbox.put([hint("c1"), hint("c1")])
    with database.transaction() as connection:
        assert inbox.ack(first, connection=connection) == {first[0].id}
    assert inbox.backlog().count == 1
    assert [row[2] for row in rows(database)] == [1, 2]


def test_done_is_part_of_the_callers_transaction(database: Database) -> None:
    """A transaction that fails leaves the hint taken, and with the lease over somebody else finishes it."""
    inbox = Inbox(database, lease_seconds=0)
    inbox.put([hint("c1")])
    items = inbox.lease(1)
    with database.transaction() as connection:
        assert inbox.ack(items, connection=connection) == {items[0].id}
        raise psycopg.Rollback
    again = inbox.lease(1)
    assert [item.attempts for item in again] == [2]
    with database.transaction() as connection:
        assert inbox.ack(again, connection=connection) == {items[0].id}
    assert inbox.lease(1) == []


def test_who_lost_the_lease_cannot_finish(database: Database) -> None:
    """A slow run whose hint was taken by another is told that it is no longer its own."""
    inbox = Inbox(database, lease_seconds=0)
    inbox.put([hint("c1")])
    slow = inbox.lease(1)
    fast = inbox.lease(1)
    with database.transaction() as connection:
        assert inbox.ack(slow, connection=connection) == set()
    with database.transaction() as connection:
        assert inbox.ack(fast, connection=connection) == {fast[0].id}


def test_given_back_it_can_be_taken_at_once(database: Database) -> None:
    """Within the lease, also while a newer hint for the same call waits."""
    inbox = Inbox(database)
    inbox.put([hint("c1")])
    items = inbox.lease(1)
    inbox.put([hint("c1")])
    inbox.release(items)
    assert len(inbox.lease(9)) == 2


_WORKER = """
import os, sys
from copilot_pipeline.postgres import Database
from copilot_pipeline.state import Inbox
database = Database(sys.argv[1])
inbox = Inbox(database, lease_seconds=0)
dies_at = int(sys.argv[2])
for step in range(10):
    items = inbox.lease(1)
    if not items:
        break
    if step == dies_at:
        os.kill(os.getpid(), 9)
    with database.transaction() as connection:
        for item in items:
            if item.id in inbox.ack(items, connection=connection):
                connection.execute(
                    "INSERT INTO copilot_ops.key_values VALUES (%s, '1') ON CONFLICT (name)"
                    " DO UPDATE SET value = (copilot_ops.key_values.value::int + 1)::text", (item.external_id,))
        if step == dies_at - 1:
            os.kill(os.getpid(), 9)
os._exit(0)
"""


@pytest.mark.e2e
def test_killed_at_any_moment_each_hint_has_its_effect_once(database: Database) -> None:
    """Workers killed after the take, or before the commit, leave nothing undone and nothing done twice."""
    inbox = Inbox(database)
    inbox.put([hint("c1", "c2", "c3", "c4")])
    for dies_at in (0, 2, 99):
        subprocess.run([sys.executable, "-c", _WORKER, database.url, str(dies_at)], check=False, timeout=60)
    assert [note(database, name) for name in ("c1", "c2", "c3", "c4")] == [1, 1, 1, 1]
    assert Inbox(database, lease_seconds=0).backlog().count == 0


def test_repetitions_are_known_within_a_batch_and_between_batches(database: Database) -> None:
    """The same signature is a replay, the same delivery a duplicate, wherever the first one was."""
    inbox = Inbox(database)
    batch = [
        hint("c1", signature=b"s1"),
        hint("c1", signature=b"s1"),
        hint("c2", signature=b"s2", delivery=b"d2"),
        hint("c2", signature=b"s3", delivery=b"d2"),
        hint("c2", signature=b"s2", delivery=b"d2", may_repeat=True),
        hint("c3"),
        hint("c3"),
    ]
    accepted, duplicate, replayed = PutResult.ACCEPTED, PutResult.DUPLICATE, PutResult.REPLAYED
    assert inbox.put(batch) == [accepted, replayed, accepted, duplicate, duplicate, accepted, accepted]
    assert inbox.put(batch) == [replayed, replayed, replayed, replayed, duplicate, accepted, accepted]
    assert rows(database) == [("call", "c1", 1), ("call", "c2", 1), ("call", "c3", 4)]


def test_old_things_are_forgotten_and_open_ones_never(database: Database) -> None:
    """Fingerprints end with their time and hints a week after their end; a hint that waits stays."""
    inbox = Inbox(database)
    inbox.put([hint("old", signature=b"s1"), hint("waits", signature=b"s2")])
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
    assert [row[1] for row in rows(database)] == ["waits"]
    assert inbox.put([hint("old", signature=b"s1"), hint("waits", signature=b"s2")]) == [
        PutResult.ACCEPTED,
        PutResult.REPLAYED,
    ]
