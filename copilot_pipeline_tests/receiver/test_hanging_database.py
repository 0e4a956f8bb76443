"""A database that does not answer: 503 within a few seconds, no pile of connections or threads, and recovery."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.receiver.process import Receiver, inbox, running
from copilot_pipeline_tests.receiver.relay import relayed
from copilot_pipeline_tests.receiver.signing import SECRET

pytestmark = pytest.mark.e2e

SHARED = {"x-webhook-secret": SECRET}
BODY = b'{"call_id": "c1"}'
TIMEOUT = 0.8
A_FEW_SECONDS = 4
_OLD = """INSERT INTO copilot_ops.inbox (kind, external_id, endpoint, leased_at, acked_at)
VALUES ('call', 'old', 'clari-copilot', now(), now() - interval '1 year')"""
_IS_UNUSED = """SELECT EXISTS (SELECT FROM copilot_ops.metric_values)
AND NOT EXISTS (SELECT FROM copilot_ops.inbox WHERE external_id = 'old')"""
_BACKENDS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'copilot-pipeline receiver'"


@pytest.fixture
def quick(database: Database) -> Iterator[Receiver]:
    """A receiver that waits less for its database, with an open connection to it that nothing uses."""
    with (
        psycopg.connect(database.url, autocommit=True) as session,
        running(database.url, database_timeout_seconds=TIMEOUT) as receiver,
    ):
        session.execute(_OLD)
        wait_until_available(receiver)
        wait_until_unused(session)
        yield receiver


def wait_until_unused(session: psycopg.Connection[Any]) -> None:
    """Wait until the receiver has deleted old webhooks and added its counts, as it does after its first response."""
    deadline = time.monotonic() + 20
    while session.execute(_IS_UNUSED).fetchone() != (True,):
        assert time.monotonic() < deadline, "the receiver has not deleted old webhooks, or not added its counts"
        time.sleep(0.05)


def posted_at_once(receiver: Receiver, count: int) -> tuple[set[int], float]:
    """The statuses of concurrent webhooks and health checks, and the time until the last response."""
    began = time.monotonic()
    with ThreadPoolExecutor(count) as threads, httpx.Client(timeout=20) as client:
        webhook = f"{receiver.address}/webhooks/clari-copilot"
        answers = [threads.submit(client.post, webhook, content=BODY, headers=SHARED) for _ in range(count)]
        answers += [threads.submit(client.get, f"{receiver.address}/healthz") for _ in range(count)]
        return {answer.result().status_code for answer in answers}, time.monotonic() - began


def wait_until_available(receiver: Receiver) -> None:
    """Wait for a health check and a webhook to succeed: on a busy machine the database may answer too late at first."""
    deadline = time.monotonic() + A_FEW_SECONDS
    health = f"{receiver.address}/healthz"
    while receiver.client.get(health).status_code != 200 or receiver.post(BODY, SHARED).status_code != 202:
        assert time.monotonic() < deadline, "the receiver did not recover"


def test_responds_while_another_session_locks_the_inbox(quick: Receiver, database: Database) -> None:
    """Everything is 503; afterwards nothing that was answered with 503 is written late, and webhooks are accepted."""
    with psycopg.connect(database.url) as session:
        session.execute("LOCK TABLE copilot_ops.inbox")
        statuses, seconds = posted_at_once(quick, 10)
        assert statuses == {503}
        assert seconds < A_FEW_SECONDS
        session.rollback()
        assert len(session.execute(_BACKENDS).fetchall()) <= 1
    assert inbox(database) == [("call", "c1", 1)]
    wait_until_available(quick)


def test_responds_while_its_backend_is_stopped(quick: Receiver, database: Database) -> None:
    """A server process that does not run is replaced by a new connection, before it continues."""
    with psycopg.connect(database.url, autocommit=True) as session:
        [(backend,)] = session.execute(_BACKENDS).fetchall()
        os.kill(backend, signal.SIGSTOP)
        try:
            statuses, seconds = posted_at_once(quick, 10)
            assert 503 in statuses
            assert seconds < A_FEW_SECONDS
            wait_until_available(quick)
        finally:
            os.kill(backend, signal.SIGCONT)


def test_responds_while_the_network_forwards_nothing(database: Database) -> None:
    """Neither the open connection nor new ones get through: everything is 503, and no connection or thread is left."""
    with relayed(database.url) as relay, running(relay.database_url, database_timeout_seconds=TIMEOUT) as receiver:
        wait_until_available(receiver)
        threads = psutil.Process(receiver.process.pid).num_threads()
        relay.is_open.clear()
        for _ in range(2):
            statuses, seconds = posted_at_once(receiver, 10)
            assert statuses == {503}
            assert seconds < A_FEW_SECONDS
        process = psutil.Process(receiver.process.pid)
        assert process.num_threads() <= threads
        port = int(psycopg.conninfo.conninfo_to_dict(relay.database_url)["port"] or 0)
        assert sum(1 for one in process.net_connections() if one.raddr and one.raddr.port == port) <= 1
        relay.is_open.set()
        wait_until_available(receiver)
