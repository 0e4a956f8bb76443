"""Responses without an end, over real sockets: too large, too slow, or compressed into a bomb."""

from __future__ import annotations

import gzip
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Callable

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from copilot_pipeline.clients.bounded_response import (
    KEPT_BYTES,
    MEBIBYTE,
    BoundedResponse,
    ResponseLimits,
    ResponseTooLarge,
    send_bounded,
)
from copilot_pipeline.clients.connections import open_http_client
from copilot_pipeline.clients.http import HttpClient, RetryPolicy
from copilot_pipeline.errors import BodyTooLarge, GarbledResponse, TemporaryFailure
from copilot_pipeline_tests.clients.endless import (
    IN_TIME_SECONDS,
    SILENT_SECONDS,
    bomb,
    drip_body,
    drip_chunks,
    drip_headers,
    drip_status,
    endless_plain,
    raw_server,
    say_nothing,
)
from copilot_pipeline_tests.http_servers import Reply, in_sequence, reply, serving

SMALL = ResponseLimits(max_response_bytes=200_000, max_decompressed_bytes=300_000, attempt_seconds=1.5)

# A client in a process of its own, so that its largest memory can be measured. `ru_maxrss` would be at least that of
# the process that started it; VmHWM begins with the new program.
_MEASURED = """
import re, sys
from pathlib import Path
from copilot_pipeline.clients.http import HttpClient
from copilot_pipeline.errors import BodyTooLarge
client = HttpClient("Service", sys.argv[1], {})
try:
    client.request("GET", "/things")
except BodyTooLarge as error:
    kilobytes = int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])
    print(len(error.body), kilobytes // 1024, error)
"""


def send(url: str, limits: ResponseLimits = SMALL) -> BoundedResponse:
    """Send one request to a server."""
    with open_http_client(base_url=url, timeout=httpx.Timeout(SILENT_SECONDS)) as client:
        return send_bounded(client, client.build_request("GET", "/"), limits)


@pytest.mark.parametrize("answer", [drip_body, drip_headers, drip_status, drip_chunks, say_nothing])
def test_a_slow_server_does_not_extend_the_deadline(answer: Callable[[socket.socket], None]) -> None:
    """Headers and bodies that arrive byte by byte end at the deadline, although each byte is in time."""
    started = time.monotonic()
    with raw_server(answer) as url, pytest.raises(httpx.TimeoutException):
        send(url)
    assert 1.4 < time.monotonic() - started < IN_TIME_SECONDS


def test_retries_end_at_the_deadline_of_the_request() -> None:
    """All attempts together take no longer than the deadline of the policy."""
    started = time.monotonic()
    with raw_server(drip_body) as url:
        client = HttpClient("Service", url, {}, policy=RetryPolicy(deadline_seconds=3.0), limits=SMALL)
        with pytest.raises(TemporaryFailure, match="timed out"):
            client.request("GET", "/things")
        client.close()
    assert time.monotonic() - started < IN_TIME_SECONDS


def test_a_slow_reader_does_not_extend_the_deadline() -> None:
    """A server that does not read the request ends the attempt as well."""
    started = time.monotonic()
    with (
        raw_server(say_nothing) as url,
        open_http_client(base_url=url, timeout=httpx.Timeout(SILENT_SECONDS)) as client,
        pytest.raises(httpx.TimeoutException),
    ):
        send_bounded(client, client.build_request("POST", "/", content=b"x" * 50 * MEBIBYTE), SMALL)
    assert time.monotonic() - started < IN_TIME_SECONDS


@pytest.mark.e2e
@pytest.mark.parametrize("answer", [endless_plain, bomb])
def test_memory_is_bounded(answer: Callable[[socket.socket], None]) -> None:
    """3 GB of text, and 6 MB that inflate to 6 GB, end in an error of their own below 300 MB of memory."""
    with raw_server(answer) as url:
        done = subprocess.run(
            [sys.executable, "-c", _MEASURED, url], capture_output=True, text=True, timeout=120, check=True
        )
    body_bytes, megabytes, *reason = done.stdout.split(maxsplit=2)
    assert int(body_bytes) == KEPT_BYTES
    assert int(megabytes) < 300
    assert "larger than 134,217,728 bytes" in reason[0]


def test_passes_a_transcript_of_50_mb() -> None:
    """The defaults pass it, plain and compressed."""
    body = b'{"text": "' + b"spoken words, " * (50 * MEBIBYTE // 14) + b'"}'
    for coded, headers in ((body, {}), (gzip.compress(body, 1), {"Content-Encoding": "gzip"})):
        with serving(in_sequence(Reply(200, coded, headers))) as service:
            client = HttpClient("Service", service.url, {})
            assert client.request("GET", "/things").body == body
            client.close()


@pytest.mark.parametrize(
    ("size", "headers"),
    [(200_001, {}), (300_001, {"Content-Encoding": "gzip"}), (300_001, {"Content-Encoding": "deflate"})],
)
def test_a_larger_body_is_an_error_of_its_own(size: int, headers: dict[str, str]) -> None:
    """It is not requested again, and its first bytes are kept."""
    encoders: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}
    body = b"7" * size
    for sent, is_refused in ((body, True), (body[:-1], False)):
        coded = encoders[headers["Content-Encoding"]](sent) if headers else sent
        with serving(in_sequence(Reply(200, coded, headers))) as service:
            client = HttpClient("Service", service.url, {}, limits=SMALL)
            if is_refused:
                with pytest.raises(BodyTooLarge, match=r"larger than .* bytes \(advanced.http") as caught:
                    client.request("GET", "/things")
                assert caught.value.body == b"7" * KEPT_BYTES
                assert len(service.requests) == 1
            else:
                assert client.request("GET", "/things").body == sent
            client.close()


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "gzip, br", "compress", "nonsense"])
def test_refuses_unknown_and_nested_encodings(encoding: str) -> None:
    """What was not accepted is not decompressed; it is a failure of the transport."""
    twice = gzip.compress(gzip.compress(b"{}"))
    with serving(in_sequence(Reply(200, twice, {"Content-Encoding": encoding}))) as service:
        client = HttpClient("Service", service.url, {}, policy=RetryPolicy(attempts=2), sleep=lambda _: None)
        with pytest.raises(TemporaryFailure, match="cannot be decompressed"):
            client.request("GET", "/things")
        assert len(service.requests) == 2
        client.close()


@given(st.binary(max_size=100_000), st.sampled_from(["gzip", "members", "deflate", "raw", "identity"]))
def test_decompresses_what_it_accepts(body: bytes, coding: str) -> None:
    """Every accepted encoding restores the body, for any content."""
    raw = zlib.compressobj(6, zlib.DEFLATED, -15)
    half = len(body) // 2
    coded = {
        "gzip": gzip.compress(body),
        "members": gzip.compress(body[:half]) + gzip.compress(body[half:]),
        "deflate": zlib.compress(body),
        "raw": raw.compress(body) + raw.flush(),
        "identity": body,
    }[coding]
    name = {"members": "gzip", "raw": "deflate"}.get(coding, coding)
    transport = httpx.MockTransport(
        lambda request: httpx.Response(200, headers={"Content-Encoding": name}, stream=httpx.ByteStream(coded))
    )
    with httpx.Client(transport=transport, base_url="http://service") as client:
        result = send_bounded(client, client.build_request("GET", "/"), ResponseLimits())
    assert result.body == body


@given(st.binary(min_size=1, max_size=50_000), st.data())
def test_a_compressed_body_that_is_cut_off_is_never_whole(body: bytes, data: st.DataObject) -> None:
    """A prefix of the compressed bytes is an error, never a shorter body."""
    coded = gzip.compress(body)
    cut = data.draw(st.integers(1, len(coded) - 1))
    transport = httpx.MockTransport(
        lambda request: httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(coded[:cut]))
    )
    with httpx.Client(transport=transport, base_url="http://service") as client, pytest.raises(httpx.DecodingError):
        send_bounded(client, client.build_request("GET", "/"), ResponseLimits())


def test_an_error_with_an_endless_body_is_its_status() -> None:
    """Of an error only the first bytes are read."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 3000000000\r\n\r\n" + b"x" * 10 * MEBIBYTE)

    with raw_server(answer) as url:
        result = send(url)
    assert (result.status, len(result.body)) == (404, KEPT_BYTES)


def test_response_too_large_is_raised_while_streaming() -> None:
    """The rest of the body is not read."""
    with raw_server(endless_plain) as url, pytest.raises(ResponseTooLarge):
        send(url, ResponseLimits(attempt_seconds=20.0))


@pytest.mark.parametrize(
    "garbled",
    [
        Reply(200, b"<html><body>Bad Gateway</body></html>", {"Content-Type": "text/html"}),
        Reply(200, b'{"call": {"id": "c-1", "transc'),
        Reply(200, b""),
        Reply(200, b"   \n"),
        Reply(204, b""),
        Reply(200, gzip.compress(b'{"call": {"id"'), {"Content-Encoding": "gzip"}),
        Reply(200, b"\x89PNG\r\n", {"Content-Type": "image/png"}),
    ],
    ids=["html", "cut", "empty", "blank", "no content", "cut inside gzip", "another type"],
)
def test_a_garbled_body_is_retried_and_then_raised_with_its_bytes(garbled: Reply) -> None:
    """A successful status does not make a body right. Each attempt passes the rate limiter, and waits grow."""
    waits: list[float] = []
    for answers, is_recovered in (([garbled, garbled, reply({"ok": 1})], True), ([garbled], False)):
        waits.clear()
        with serving(in_sequence(*answers)) as service:
            client = HttpClient("Service", service.url, {}, policy=RetryPolicy(attempts=3), sleep=waits.append)
            if is_recovered:
                assert client.request("GET", "/things").body == b'{"ok": 1}'
            else:
                with pytest.raises(GarbledResponse, match=r"GET /things: 20[04], but the body is") as caught:
                    client.request("GET", "/things")
                is_packed = "Content-Encoding" in garbled.headers
                assert caught.value.body == (gzip.decompress(garbled.body) if is_packed else garbled.body)
                assert not client.has_succeeded
            assert (len(service.requests), len(waits)) == (3, 2)
            client.close()


@pytest.mark.parametrize(
    "body", [b"null", b"[]", b'{"message": "maintenance"}', b'"text"', b"[" * 100_000, b"\xef\xbb\xbf{}"]
)
def test_json_of_another_shape_is_not_retried(body: bytes) -> None:
    """A problem of the schema stays the same at the next attempt."""
    with serving(in_sequence(Reply(200, body))) as service:
        client = HttpClient("Service", service.url, {})
        assert client.request("GET", "/things").body == body
        assert len(service.requests) == 1
        client.close()
