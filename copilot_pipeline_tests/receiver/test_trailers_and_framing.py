"""What a request has beside its head and its body: trailers, chunk sizes, extensions, empty lines."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.receiver.attacks import ATTACKS, MEGABYTE, exchange, observed, send_endlessly, statuses
from copilot_pipeline_tests.receiver.process import Receiver, inbox, running
from copilot_pipeline_tests.receiver.signing import SECRET, signed

pytestmark = [pytest.mark.alone, pytest.mark.e2e]

BODY = b'{"call_id": "c1"}'
HEADERS = (
    f"POST /webhooks/clari-copilot HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-webhook-secret: {SECRET}\r\n".encode()
)


def chunked(*trailers: bytes, secret: bytes = b"") -> bytes:
    """A chunked webhook with these trailers."""
    head = b"POST /webhooks/clari-copilot HTTP/1.1\r\nhost: x\r\nconnection: close\r\n" + secret
    lines = b"".join(trailer + b"\r\n" for trailer in trailers)
    return head + b"transfer-encoding: chunked\r\n\r\n11\r\n" + BODY + b"\r\n0\r\n" + lines + b"\r\n"


@pytest.mark.parametrize(
    "trailer",
    [
        f"x-webhook-secret: {SECRET}",
        f"Authorization: Bearer {SECRET}",
        *(f"{name}: {value}" for name, value in signed(BODY, at="1").items()),
    ],
)
def test_takes_no_credentials_from_trailers(receiver: Receiver, module_database: Database, trailer: str) -> None:
    """What comes after the body is not a header: the request has no credentials."""
    received = exchange(receiver.port, chunked(trailer.encode()))
    assert statuses(received) == [401]
    assert b"no_credentials" in received
    assert inbox(module_database) == []


def test_ignores_trailers_of_an_authenticated_webhook(receiver: Receiver) -> None:
    """Trailers are allowed; they neither repeat a header nor change how the body is read."""
    secret = f"x-webhook-secret: {SECRET}\r\n".encode()
    trailers = (f"x-webhook-secret: {SECRET}".encode(), b"content-encoding: gzip", b"content-type: text/html")
    assert statuses(exchange(receiver.port, chunked(*trailers, secret=secret))) == [202]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(1, 12), min_size=2, max_size=30))
def test_accepts_a_webhook_in_small_chunks_and_packets(receiver: Receiver, sizes: list[int]) -> None:
    """However a body is cut into chunks, it is the same webhook."""
    cut, body = [], BODY
    for size in sizes:
        cut.append(body[:size])
        body = body[size:]
    parts = [b"%x;ext=1\r\n%s\r\n" % (len(part), part) for part in (*cut, body) if part]
    received = exchange(receiver.port, HEADERS + b"transfer-encoding: chunked\r\n\r\n", *parts, b"0\r\n\r\n")
    assert statuses(received) == [202]


def test_endless_requests_cost_neither_memory_nor_time(module_database: Database) -> None:
    """64 MB of each attack, over eight connections: memory does not grow, and `/healthz` responds meanwhile."""
    connections = 8
    with running(module_database.url) as receiver:
        receiver.client.get(f"{receiver.address}/healthz")
        for name, (start, repeated) in ATTACKS.items():
            with observed(receiver) as observations, ThreadPoolExecutor(connections) as threads:
                for _ in range(connections):
                    threads.submit(send_endlessly, receiver.port, start, repeated, 64 * MEGABYTE // connections)
            assert observations.growth < 32 * MEGABYTE, name
            assert observations.memory < 200 * MEGABYTE, name
            assert max(observations.response_seconds) < 0.5, name
            assert observations.statuses == {200}, name


@pytest.mark.parametrize("end", [b"not HTTP\r\n\r\n", b""], ids=["invalid", "disconnected"])
def test_logs_nothing_about_connections_that_end_before_the_response(
    module_database: Database, capfd: pytest.CaptureFixture[str], end: bytes
) -> None:
    """A stranger cannot fill the log: responses to pipelined requests of a closed connection are discarded."""
    webhook = HEADERS.replace(b"connection: close\r\n", b"") + b"content-length: %d\r\n\r\n" % len(BODY) + BODY
    with running(module_database.url) as receiver:
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", receiver.port)) as connection:
                connection.sendall(webhook * 4 + end)
        assert receiver.post(BODY, {"x-webhook-secret": SECRET}).status_code == 202
    assert capfd.readouterr().err == ""
