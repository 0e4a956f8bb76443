"""Malicious and broken clients, at the level of bytes on the connection."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.receiver.attacks import exchange, statuses
from copilot_pipeline_tests.receiver.process import Receiver, inbox, running
from copilot_pipeline_tests.receiver.signing import SECRET, signed

pytestmark = [pytest.mark.alone, pytest.mark.e2e]

LIMIT = 4096
SHARED = {"x-webhook-secret": SECRET}
BODY = b'{"call_id": "c1"}'
HEADERS = (
    f"POST /webhooks/clari-copilot HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-webhook-secret: {SECRET}\r\n".encode()
)


@pytest.fixture(scope="module")
def strict(module_database: Database) -> Iterator[Receiver]:
    """A receiver with limits that are short enough for a test."""
    with running(
        module_database.url,
        head_timeout_seconds=0.5,
        body_timeout_seconds=0.5,
        max_body_bytes=LIMIT,
        requests_per_second=5000,
    ) as receiver:
        yield receiver


def test_times_out_headers_that_never_end(strict: Receiver) -> None:
    """After the timeout the connection is closed, with 408 if headers have begun; other clients are served."""
    began = time.monotonic()
    assert statuses(exchange(strict.port, HEADERS)) == [408]
    assert statuses(exchange(strict.port)) == []
    assert time.monotonic() - began < 5
    assert strict.post(BODY, SHARED).status_code == 202


def test_times_out_slow_clients_that_never_pause(strict: Receiver) -> None:
    """Further bytes do not extend the timeout, neither of the headers nor of the body."""
    for start in (HEADERS, HEADERS + b"content-length: 1000\r\n\r\n"):
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", strict.port), timeout=10) as connection:
            connection.sendall(start)
            connection.settimeout(0.1)
            received = b""
            while not received and time.monotonic() - began < 8:
                connection.sendall(b"a")
                try:
                    received = connection.recv(1000)
                except TimeoutError:
                    continue
        assert statuses(received) == [408]


def test_times_out_empty_lines_between_requests(strict: Receiver) -> None:
    """Empty lines do not keep a connection open."""
    request = HEADERS.replace(b"connection: close\r\n", b"") + b"content-length: %d\r\n\r\n" % len(BODY) + BODY
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", strict.port), timeout=10) as connection:
        connection.sendall(request)
        assert statuses(connection.recv(1000)) == [202]
        connection.settimeout(0.05)
        last = b"\r\n"
        while last and time.monotonic() - began < 8:
            try:
                connection.sendall(b"\r\n")
                last = connection.recv(1000)
            except TimeoutError:
                continue
            except ConnectionError:
                break
    assert time.monotonic() - began < 5


def test_rejects_headers_that_are_too_large(strict: Receiver) -> None:
    """Headers without end are rejected by their size, before the timeout."""
    received = exchange(strict.port, HEADERS, *(b"x-more: %s\r\n" % (b"a" * 1000) for _ in range(40)))
    assert statuses(received) in ([431], [])  # the response may be lost when the connection is closed


@pytest.mark.parametrize("size", [LIMIT + 1, 3_000_000])
@pytest.mark.parametrize("is_chunked", [True, False], ids=["chunked", "declared"])
def test_rejects_a_body_that_is_too_large(strict: Receiver, size: int, is_chunked: bool) -> None:
    """With and without a declared length; the client can read the response."""
    body = b"a" * size
    content = iter([body[:1000], body[1000:]]) if is_chunked else body
    answer = strict.client.post(f"{strict.address}/webhooks/clari-copilot", content=content, headers=SHARED)
    assert (answer.status_code, answer.json()["error"]) == (413, "too_large")


def test_rejects_a_large_body_before_100_continue(strict: Receiver) -> None:
    """With `Expect: 100-continue`, a body that is too large is rejected before it is sent."""
    received = exchange(strict.port, HEADERS + b"content-length: 9999999\r\nexpect: 100-continue\r\n\r\n")
    assert statuses(received) == [413]


@pytest.mark.parametrize(
    ("framing", "expected"),
    [
        (b"content-length: 5\r\n\r\n" + BODY, [400]),  # shorter than the body: the rest is not a request
        (b"content-length: 500\r\n\r\n" + BODY, [408]),  # longer than the body
        (b"content-length: -1\r\n\r\n", [400]),
        (b"content-length: 1e3\r\n\r\n", [400]),
        (b"content-length: 99999999999999999999999\r\n\r\n", [400]),
        (b"content-length: 5\r\ncontent-length: 6\r\n\r\nabcdef", [400]),
        (b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", [400]),
        (b"transfer-encoding: chunked\r\n\r\nZZ\r\n", [400]),
        (b"transfer-encoding: chunked\r\n\r\n11\r\n" + BODY + b"\r\n0\r\n\r\n", [202]),
    ],
)
def test_handles_wrong_content_lengths(strict: Receiver, framing: bytes, expected: list[int]) -> None:
    """Neither a wrong length nor two of them causes a server error."""
    received = exchange(strict.port, HEADERS + framing)
    assert statuses(received)[:1] == expected
    assert all(status < 500 for status in statuses(received))


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS to a plain port
        b"GET\r\n\r\n",
        b"POST \xff\xfe HTTP/1.1\r\n\r\n",
        b"POST /webhooks/clari-copilot%00 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST http://[ HTTP/1.1\r\nhost: x\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /webhooks/clari-copilot HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
        HEADERS + b"x-webhook-signature: \xff\xfe\r\nx-webhook-timestamp: \xff\r\ncontent-length: 0\r\n\r\n",
        HEADERS + b"content-type: \xff\xfe\r\ncontent-length: 2\r\n\r\n{}",
        HEADERS + b"x-webhook-secret: again\r\ncontent-length: 0\r\n\r\n",
    ],
)
def test_rejects_bytes_that_are_not_http(strict: Receiver, request_bytes: bytes) -> None:
    """The response is 4xx, or the connection is closed."""
    assert all(400 <= status < 500 for status in statuses(exchange(strict.port, request_bytes)))
    assert strict.post(BODY, SHARED).status_code == 202


def test_rejects_compressed_bodies(strict: Receiver) -> None:
    """415 with the reason: a few bytes could decompress to gigabytes."""
    answer = strict.post(gzip.compress(BODY), {**SHARED, "content-encoding": "gzip"})
    assert (answer.status_code, answer.json()["error"]) == (415, "compressed")


def test_survives_clients_that_disconnect(strict: Receiver) -> None:
    """After a hundred connections closed in the middle of a body, the next request is accepted."""
    for _ in range(100):
        with socket.create_connection(("127.0.0.1", strict.port)) as connection:
            connection.sendall(HEADERS + b"content-length: 100\r\n\r\n{")
    assert strict.post(BODY, SHARED).status_code == 202


def test_serves_others_beside_many_idle_connections(strict: Receiver) -> None:
    """With three hundred idle connections, a webhook is accepted."""
    idle = [socket.create_connection(("127.0.0.1", strict.port)) for _ in range(300)]
    try:
        assert strict.post(BODY, SHARED).status_code == 202
    finally:
        for connection in idle:
            connection.close()


def test_serves_others_beside_many_slow_bodies(module_database: Database) -> None:
    """If all body slots are taken by slow clients, a new webhook is accepted and the slowest client receives 408."""
    with running(module_database.url, max_concurrent_bodies=20, body_timeout_seconds=30) as receiver:
        slow = [socket.create_connection(("127.0.0.1", receiver.port), timeout=10) for _ in range(25)]
        try:
            for connection in slow:
                connection.sendall(HEADERS + b"content-length: 1000\r\n\r\n{")
            assert statuses(slow[0].recv(1000)) == [408]
            assert [receiver.post(BODY, SHARED).status_code for _ in range(5)] == [202] * 5
        finally:
            for connection in slow:
                connection.close()


@settings(max_examples=150)
@given(
    body=st.binary(max_size=300) | st.text(max_size=100).map(str.encode),
    media_type=st.sampled_from(["application/json", "application/x-www-form-urlencoded", "text/plain", "\x7f", ""]),
    is_signed=st.booleans(),
    endpoint=st.sampled_from(["clari-copilot", "semarize"]),
)
def test_never_responds_with_a_server_error(
    strict: Receiver, body: bytes, media_type: str, is_signed: bool, endpoint: str
) -> None:
    """The response to any body, signed or not, is 2xx or 4xx."""
    headers = signed(body) if is_signed else SHARED
    head = [f"{name}: {value}" for name, value in {**headers, "content-length": len(body)}.items()]
    request = f"POST /webhooks/{endpoint} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {media_type}\r\n"
    received = exchange(strict.port, request.encode() + "\r\n".join(head).encode() + b"\r\n\r\n" + body)
    assert statuses(received)
    assert all(200 <= status < 500 for status in statuses(received))


def test_rejects_forged_signatures_from_concurrent_senders(receiver: Receiver, module_database: Database) -> None:
    """A thousand forged requests are all 401 and write nothing."""
    answers: list[int] = []

    def forge(worker: int) -> None:
        for number in range(250):
            body = b'{"call_id": "forged-%d-%d"}' % (worker, number)
            with_wrong_key = signed(body, secret="guess")
            received = exchange(
                receiver.port,
                b"POST /webhooks/clari-copilot HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
                + "".join(f"{name}: {value}\r\n" for name, value in with_wrong_key.items()).encode()
                + b"content-length: %d\r\n\r\n" % len(body)
                + body,
            )
            answers.extend(statuses(received))

    threads = [threading.Thread(target=forge, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [401] * 1000
    assert inbox(module_database) == []
