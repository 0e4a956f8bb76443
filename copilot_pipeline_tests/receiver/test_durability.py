"""Accepted webhooks are in the inbox: under load, after kill -9, and across database outages."""

from __future__ import annotations

import http.client
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.receiver.process import inbox, running
from copilot_pipeline_tests.receiver.signing import SECRET, signed

pytestmark = pytest.mark.e2e

SENDERS = 8


def send(port: int, prefix: str, count: int, on_answer: Callable[[str, int], None]) -> None:
    """Post signed webhooks one after the other over one connection, until it breaks."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        for number in range(count):
            subject = f"{prefix}-{number}"
            body = f'{{"call_id": "{subject}"}}'.encode()
            headers = {"content-type": "application/json", **signed(body)}
            connection.request("POST", "/webhooks/clari-copilot", body, headers)
            answer = connection.getresponse()
            answer.read()
            on_answer(subject, answer.status)
    except (OSError, http.client.HTTPException):
        pass  # the receiver was killed
    finally:
        connection.close()


def storm(port: int, each: int, on_answer: Callable[[str, int], None]) -> list[threading.Thread]:
    """Start several concurrent senders."""
    threads = [threading.Thread(target=send, args=(port, f"s{number}", each, on_answer)) for number in range(SENDERS)]
    for thread in threads:
        thread.start()
    return threads


def test_stores_five_thousand_concurrent_webhooks_once(database: Database) -> None:
    """5,000 signed webhooks from eight concurrent senders: each is accepted and is one row."""
    answers: list[tuple[str, int]] = []
    with running(database.url) as receiver:
        for thread in storm(receiver.port, 5000 // SENDERS, lambda subject, status: answers.append((subject, status))):
            thread.join()
    assert Counter(status for _, status in answers) == {202: 5000}
    rows = inbox(database)
    assert {row[2] for row in rows} == {1}
    assert sorted(row[1] for row in rows) == sorted(subject for subject, _ in answers)


@pytest.mark.parametrize("responses_before_kill", [1, 50, 400])
def test_loses_no_accepted_webhook_when_killed(database: Database, responses_before_kill: int) -> None:
    """After kill -9 immediately after a 2xx, every id that was accepted is in the inbox."""
    accepted: list[str] = []
    with running(database.url) as receiver:

        def note(subject: str, status: int) -> None:
            if status == 202:
                accepted.append(subject)
                if len(accepted) == responses_before_kill:
                    receiver.process.send_signal(signal.SIGKILL)

        for thread in storm(receiver.port, 500, note):
            thread.join()
    assert responses_before_kill <= len(accepted) < SENDERS * 500
    assert set(accepted) <= {row[1] for row in inbox(database)}


def test_completes_requests_before_shutdown(database: Database) -> None:
    """On SIGTERM the process exits in time, and every id that was accepted is in the inbox."""
    accepted: list[str] = []
    with running(database.url) as receiver:
        threads = storm(receiver.port, 500, lambda subject, status: accepted.append(subject) if status == 202 else None)
        while len(accepted) < 100:
            time.sleep(0.001)
        receiver.process.terminate()
        assert receiver.process.wait(timeout=15) == 0
        for thread in threads:
            thread.join()
    assert set(accepted) <= {row[1] for row in inbox(database)}


@contextmanager
def outage(database: Database, server_url: str) -> Iterator[None]:
    """The database refuses connections and has closed all existing ones."""
    name = psycopg.conninfo.conninfo_to_dict(database.url)["dbname"]
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        close_connections(connection, str(name))
        yield
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


def close_connections(connection: psycopg.Connection, name: str) -> None:
    """Close every connection to a database."""
    connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))


def test_responds_with_503_during_a_database_outage(database: Database, server_url: str) -> None:
    """503 with Retry-After, also from /healthz; invalid input is still 4xx; afterwards the same request is accepted."""
    body = b'{"call_id": "c1"}'
    headers = signed(body)
    with running(database.url) as receiver:
        assert receiver.post(b'{"call_id": "c0"}', {"x-webhook-secret": SECRET}).status_code == 202
        with outage(database, server_url):
            answer = receiver.post(body, headers)
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) > 0
            assert receiver.client.get(f"{receiver.address}/healthz").status_code == 503
            assert receiver.post(b"{", signed(b"{")).status_code == 400
            assert receiver.post(body).status_code == 401
        assert receiver.post(body, headers).status_code == 202
        assert receiver.client.get(f"{receiver.address}/healthz").status_code == 200
    with psycopg.connect(database.url) as connection:
        rows = connection.execute("SELECT external_id FROM copilot_ops.inbox ORDER BY id").fetchall()
    assert rows == [("c0",), ("c1",)]


def test_reconnects_after_a_database_restart(database: Database, server_url: str) -> None:
    """After its connection was closed between two webhooks, the second one is accepted at the first attempt."""
    name = str(psycopg.conninfo.conninfo_to_dict(database.url)["dbname"])
    with running(database.url) as receiver:
        for subject in ("c0", "c1"):
            body = f'{{"call_id": "{subject}"}}'
            assert receiver.post(body, {"x-webhook-secret": SECRET}).status_code == 202
            with psycopg.connect(server_url, autocommit=True) as connection:
                close_connections(connection, name)
