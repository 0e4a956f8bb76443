"""A database that does not answer: 503 within a few seconds, no pile of connections or threads, and recovery."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

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
_BACKENDS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'copilot-pipeline receiver'"


@pytest.fixture
def quick(database: Database) -> Iterator[Receiver]:
    """A receiver that waits less for its database, with an open connection to it."""
    with running(database.url, database_timeout_seconds=TIMEOUT) as receiver:
        assert receiver.post(BODY, SHARED).status_code == 202
        yield receiver


def posted_at_once(receiver: Receiver, count: int) -> tuple[set[int], float]:
    """The statuses of concurrent webhooks and health checks, and the time until the last response."""
    began = time.monotonic()
    with ThreadPoolExecutor(count) as threads, httpx.Client(timeout=20) as client:
        webhook = f"{receiver.address}/webhooks/clari-copilot"
        answers = [threads.submit(client.post, webhook, content=BODY, headers=SHARED) for _ in range(count)]
        answers += [threads.submit(client.get, f"{receiver.address}/healthz") for _ in range(count)]
        return {answer.result().status_code for answer in answers}, time.monotonic() - began


def wait_until_available(receiver: Receiver) -> None:
    """Wait for the health check to succeed."""
    deadline = time.monotonic() + A_FEW_SECONDS
    while receiver.client.get(f"{receiver.address}/healthz").status_code != 200:
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
    assert quick.post(BODY, SHARED).status_code == 202


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
            assert quick.post(BODY, SHARED).status_code == 202
        finally:
            os.kill(backend, signal.SIGCONT)


def test_responds_while_the_network_forwards_nothing(database: Database) -> None:
    """Neither the open connection nor new ones get through: everything is 503, and no connection or thread is left."""
    with relayed(database.url) as relay, running(relay.database_url, database_timeout_seconds=TIMEOUT) as receiver:
        assert receiver.post(BODY, SHARED).status_code == 202
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
        assert receiver.post(BODY, SHARED).status_code == 202
