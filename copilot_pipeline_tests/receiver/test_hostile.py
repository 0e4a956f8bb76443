"""Senders that mean harm, or know no better: on the wire, below what a well-behaved client would send."""

from __future__ import annotations

import contextlib
import gzip
import re
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.receiver.process import Receiver, inbox, running
from copilot_pipeline_tests.receiver.signing import SECRET, signed

pytestmark = [pytest.mark.alone, pytest.mark.e2e]

LIMIT = 4096
SHARED = {"x-webhook-secret": SECRET}
BODY = b'{"call_id": "c1"}'
HEAD = (
    f"POST /webhooks/clari-copilot HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-webhook-secret: {SECRET}\r\n".encode()
)


@pytest.fixture(scope="module")
def strict(module_database: Database) -> Iterator[Receiver]:
    """A receiver with limits that a test can wait for."""
    with running(
        module_database.url, head_seconds=0.5, body_seconds=0.5, body_bytes=LIMIT, requests_per_second=5000
    ) as receiver:
        yield receiver


def exchange(port: int, *parts: bytes) -> bytes:
    """Sends bytes as they are, and returns all that comes back until the connection ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        received = b""
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):  # cut off while we were still sending
            for part in parts:
                connection.sendall(part)
        with contextlib.suppress(ConnectionResetError):
            while chunk := connection.recv(65536):
                received += chunk
        return received


def statuses(received: bytes) -> list[int]:
    """The status of each answer."""
    return [int(status) for status in re.findall(rb"^HTTP/1\.1 (\d{3})", received, flags=re.MULTILINE)]


def test_a_head_that_never_ends_is_cut_off(strict: Receiver) -> None:
    """One header a while: after the limit of time the connection ends, and others are served meanwhile."""
    began = time.monotonic()
    assert statuses(exchange(strict.port, HEAD)) == [408]
    assert statuses(exchange(strict.port)) == []
    assert time.monotonic() - began < 5
    assert strict.post(BODY, SHARED).status_code == 202


def test_a_trickle_is_cut_off_though_it_never_pauses(strict: Receiver) -> None:
    """Bytes that keep coming do not extend the limit of time, in the head and in the body."""
    for start in (HEAD, HEAD + b"content-length: 1000\r\n\r\n"):
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


def test_empty_lines_between_requests_are_cut_off(strict: Receiver) -> None:
    """A connection kept alive by lines that mean nothing ends like any other head that never comes."""
    request = HEAD.replace(b"connection: close\r\n", b"") + b"content-length: %d\r\n\r\n" % len(BODY) + BODY
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


def test_a_head_that_is_too_large_is_refused(strict: Receiver) -> None:
    """An endless head is cut off for its size before its time."""
    received = exchange(strict.port, HEAD, *(b"x-more: %s\r\n" % (b"a" * 1000) for _ in range(40)))
    assert statuses(received) in ([431], [])  # what is on its way may be lost when the connection is cut


@pytest.mark.parametrize("size", [LIMIT + 1, 3_000_000])
@pytest.mark.parametrize("is_chunked", [True, False], ids=["chunked", "declared"])
def test_a_body_that_is_too_large_is_413(strict: Receiver, size: int, is_chunked: bool) -> None:
    """Whether or not it says how large it is; the sender gets to read the answer."""
    body = b"a" * size
    content = iter([body[:1000], body[1000:]]) if is_chunked else body
    answer = strict.client.post(f"{strict.address}/webhooks/clari-copilot", content=content, headers=SHARED)
    assert (answer.status_code, answer.json()["error"]) == (413, "too_large")


def test_who_asks_first_is_told_before_it_sends(strict: Receiver) -> None:
    """With Expect: 100-continue a body that is too large is refused unsent."""
    received = exchange(strict.port, HEAD + b"content-length: 9999999\r\nexpect: 100-continue\r\n\r\n")
    assert statuses(received) == [413]


@pytest.mark.parametrize(
    ("framing", "expected"),
    [
        (b"content-length: 5\r\n\r\n" + BODY, [400]),  # shorter than it is: the rest is no request
        (b"content-length: 500\r\n\r\n" + BODY, [408]),  # longer than it is
        (b"content-length: -1\r\n\r\n", [400]),
        (b"content-length: 1e3\r\n\r\n", [400]),
        (b"content-length: 99999999999999999999999\r\n\r\n", [400]),
        (b"content-length: 5\r\ncontent-length: 6\r\n\r\nabcdef", [400]),
        (b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", [400]),
        (b"transfer-encoding: chunked\r\n\r\nZZ\r\n", [400]),
        (b"transfer-encoding: chunked\r\n\r\n11\r\n" + BODY + b"\r\n0\r\n\r\n", [202]),
    ],
)
def test_a_length_that_lies_does_no_harm(strict: Receiver, framing: bytes, expected: list[int]) -> None:
    """Neither a wrong length nor two of them makes an error of ours."""
    received = exchange(strict.port, HEAD + framing)
    assert statuses(received)[:1] == expected
    assert all(status < 500 for status in statuses(received))


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS spoken to a plain port
        b"GET\r\n\r\n",
        b"POST \xff\xfe HTTP/1.1\r\n\r\n",
        b"POST /webhooks/clari-copilot%00 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST http://[ HTTP/1.1\r\nhost: x\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /webhooks/clari-copilot HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
        HEAD + b"x-webhook-signature: \xff\xfe\r\nx-webhook-timestamp: \xff\r\ncontent-length: 0\r\n\r\n",
        HEAD + b"content-type: \xff\xfe\r\ncontent-length: 2\r\n\r\n{}",
        HEAD + b"x-webhook-secret: again\r\ncontent-length: 0\r\n\r\n",
    ],
)
def test_what_is_no_request_is_no_error_of_ours(strict: Receiver, request_bytes: bytes) -> None:
    """It is answered with 4xx or cut off."""
    assert all(400 <= status < 500 for status in statuses(exchange(strict.port, request_bytes)))
    assert strict.post(BODY, SHARED).status_code == 202


def test_a_compressed_body_is_named_as_such(strict: Receiver) -> None:
    """A few bytes that would unpack to gigabytes are not unpacked: 415, and the reason."""
    answer = strict.post(gzip.compress(BODY), {**SHARED, "content-encoding": "gzip"})
    assert (answer.status_code, answer.json()["error"]) == (415, "compressed")


def test_a_sender_that_leaves_in_the_middle_is_nobodys_problem(strict: Receiver) -> None:
    """A hundred connections closed in the middle of a body: the next request is served."""
    for _ in range(100):
        with socket.create_connection(("127.0.0.1", strict.port)) as connection:
            connection.sendall(HEAD + b"content-length: 100\r\n\r\n{")
    assert strict.post(BODY, SHARED).status_code == 202


def test_many_idle_connections_do_not_keep_others_out(strict: Receiver) -> None:
    """Three hundred connections that say nothing: a webhook is taken all the same."""
    idle = [socket.create_connection(("127.0.0.1", strict.port)) for _ in range(300)]
    try:
        assert strict.post(BODY, SHARED).status_code == 202
    finally:
        for connection in idle:
            connection.close()


def test_senders_that_trickle_do_not_keep_others_out(module_database: Database) -> None:
    """With as many bodies under way as the receiver reads at once, none of which ends, a webhook is taken all the same:
    the slowest is told 408 and has to send again."""
    with running(module_database.url, bodies_at_once=20, body_seconds=30) as receiver:
        slow = [socket.create_connection(("127.0.0.1", receiver.port), timeout=10) for _ in range(25)]
        try:
            for connection in slow:
                connection.sendall(HEAD + b"content-length: 1000\r\n\r\n{")
            assert statuses(slow[0].recv(1000)) == [408]
            assert [receiver.post(BODY, SHARED).status_code for _ in range(5)] == [202] * 5
        finally:
            for connection in slow:
                connection.close()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=300) | st.text(max_size=100).map(str.encode),
    media_type=st.sampled_from(["application/json", "application/x-www-form-urlencoded", "text/plain", "\x7f", ""]),
    is_signed=st.booleans(),
    endpoint=st.sampled_from(["clari-copilot", "semarize"]),
)
def test_no_bytes_at_all_make_an_error_of_ours(
    strict: Receiver, body: bytes, media_type: str, is_signed: bool, endpoint: str
) -> None:
    """Any body, signed or not, is answered with 2xx or 4xx."""
    headers = signed(body) if is_signed else SHARED
    head = [f"{name}: {value}" for name, value in {**headers, "content-length": len(body)}.items()]
    request = f"POST /webhooks/{endpoint} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {media_type}\r\n"
    received = exchange(strict.port, request.encode() + "\r\n".join(head).encode() + b"\r\n\r\n" + body)
    assert statuses(received)
    assert all(200 <= status < 500 for status in statuses(received))


def test_a_thousand_forgeries_write_nothing(receiver: Receiver, module_database: Database) -> None:
    """Forged by several senders at once, every one is 401."""
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
