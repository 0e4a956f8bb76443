"""What was answered with 2xx is there: under load, after kill -9, and when the database comes and goes."""

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
    """Posts signed webhooks one after the other over one connection, until it breaks."""
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
    """Several senders at once."""
    threads = [threading.Thread(target=send, args=(port, f"s{number}", each, on_answer)) for number in range(SENDERS)]
    for thread in threads:
        thread.start()
    return threads


def test_five_thousand_webhooks_are_all_there_once(database: Database) -> None:
    """5,000 signed webhooks from eight senders at once: each accepted, each one row, none twice."""
    answers: list[tuple[str, int]] = []
    with running(database.url) as receiver:
        for thread in storm(receiver.port, 5000 // SENDERS, lambda subject, status: answers.append((subject, status))):
            thread.join()
    assert Counter(status for _, status in answers) == {202: 5000}
    rows = inbox(database)
    assert {row[2] for row in rows} == {1}
    assert sorted(row[1] for row in rows) == sorted(subject for subject, _ in answers)


@pytest.mark.parametrize("answers_before_death", [1, 50, 400])
def test_killed_right_after_an_answer_nothing_accepted_is_lost(database: Database, answers_before_death: int) -> None:
    """kill -9 in the thread that has just read a 2xx: every subject answered with 2xx is in the inbox."""
    accepted: list[str] = []
    with running(database.url) as receiver:

        def note(subject: str, status: int) -> None:
            if status == 202:
                accepted.append(subject)
                if len(accepted) == answers_before_death:
                    receiver.process.send_signal(signal.SIGKILL)

        for thread in storm(receiver.port, 500, note):
            thread.join()
    assert answers_before_death <= len(accepted) < SENDERS * 500
    assert set(accepted) <= {row[1] for row in inbox(database)}


def test_told_to_stop_it_answers_what_it_has_begun(database: Database) -> None:
    """SIGTERM: the process ends by itself, soon, and what it answered is there."""
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
def away(database: Database, server_url: str) -> Iterator[None]:
    """The database refuses connections, and those it had are cut."""
    name = psycopg.conninfo.conninfo_to_dict(database.url)["dbname"]
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        cut(connection, str(name))
        yield
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


def cut(connection: psycopg.Connection, name: str) -> None:
    """Ends every connection to a database."""
    connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))


def test_while_the_database_is_away_senders_are_told_to_come_back(database: Database, server_url: str) -> None:
    """503 with Retry-After, healthz says so, bad input is still 4xx; later the same request, unchanged, is accepted."""
    body = b'{"call_id": "c1"}'
    headers = signed(body)
    with running(database.url) as receiver:
        assert receiver.post(b'{"call_id": "c0"}', {"x-webhook-secret": SECRET}).status_code == 202
        with away(database, server_url):
            answer = receiver.post(body, headers)
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) > 0
            assert receiver.client.get(f"{receiver.address}/healthz").status_code == 503
            assert receiver.post(b"{", signed(b"{")).status_code == 400
            assert receiver.post(body).status_code == 401
        assert receiver.post(body, headers).status_code == 202
        assert receiver.client.get(f"{receiver.address}/healthz").status_code == 200
    with psycopg.connect(database.url) as connection:
        rows = connection.execute("SELECT subject FROM copilot_ops.inbox ORDER BY id").fetchall()
    assert rows == [("c0",), ("c1",)]


def test_a_database_that_was_restarted_is_not_noticed(database: Database, server_url: str) -> None:
    """A connection that was cut between two webhooks is made anew: the second is accepted at once."""
    name = str(psycopg.conninfo.conninfo_to_dict(database.url)["dbname"])
    with running(database.url) as receiver:
        for subject in ("c0", "c1"):
            body = f'{{"call_id": "{subject}"}}'
            assert receiver.post(body, {"x-webhook-secret": SECRET}).status_code == 202
            with psycopg.connect(server_url, autocommit=True) as connection:
                cut(connection, name)
