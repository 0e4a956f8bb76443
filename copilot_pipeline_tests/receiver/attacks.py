"""Requests as bytes, endless requests, and what a receiver needs of memory and time meanwhile, seen from outside."""

from __future__ import annotations

import contextlib
import itertools
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import psutil

from copilot_pipeline_tests.receiver.process import Receiver

MEGABYTE = 1024 * 1024
_PIECE = 64 * 1024
_CHUNKED = b"POST /webhooks/clari-copilot HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
_AFTER_BODY = _CHUNKED + b"2\r\n{}\r\n0\r\n"
_HEALTH = b"GET /healthz HTTP/1.1\r\nhost: x\r\n"

# What is sent once, and what is repeated without end. None of them has a secret.
ATTACKS = {
    "many trailers": (_AFTER_BODY, b"x-trailer: " + b"a" * 100 + b"\r\n"),
    "short trailers": (_AFTER_BODY, b"a:\r\n"),
    "one trailer": (_AFTER_BODY + b"a: ", b"a"),
    "name of a trailer": (_AFTER_BODY, b"a"),
    "chunk extensions": (_CHUNKED, b"1;name=value\r\na\r\n"),
    "one chunk extension": (_CHUNKED + b"1;name=", b"a"),
    "quoted chunk extension": (_CHUNKED + b'1;name="', b"a"),
    "chunks of one byte": (_CHUNKED, b"1\r\na\r\n"),
    "zeros of a chunk's size": (_CHUNKED, b"0"),
    "empty lines": (b"", b"\r\n"),
    "empty lines after a request": (_HEALTH + b"\r\n", b"\r\n"),
    "short headers": (_HEALTH, b"a:\r\n"),
    "one header": (_HEALTH + b"a: ", b"a"),
    "address": (b"GET /", b"a"),
    "pipelined requests": (b"", b"GET /healthz HTTP/1.1\r\n\r\n"),
    "pipelined bodies": (b"", _CHUNKED + b"1\r\na\r\n0\r\n\r\n"),
    "body of a request without one": (
        _HEALTH + b"transfer-encoding: chunked\r\n\r\n",
        b"400\r\n" + b"a" * 1024 + b"\r\n",
    ),
    "body": (_CHUNKED, b"400\r\n" + b"a" * 1024 + b"\r\n"),
    "upgrade": (_HEALTH + b"connection: upgrade\r\nupgrade: x\r\n\r\n", b"a"),
    "tunnel": (b"CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n", b"a"),
}


def exchange(port: int, *parts: bytes) -> bytes:
    """Send bytes and return everything that is received until the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        received = b""
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):  # closed while we were sending
            for part in parts:
                connection.sendall(part)
        with contextlib.suppress(ConnectionResetError):
            while chunk := connection.recv(65536):
                received += chunk
        return received


def statuses(received: bytes) -> list[int]:
    """The status of each response."""
    return [int(status) for status in re.findall(rb"^HTTP/1\.1 (\d{3})", received, flags=re.MULTILINE)]


def send_endlessly(port: int, start: bytes, repeated: bytes, limit: int) -> int:
    """Send until the receiver closes the connection, or until `limit` bytes; return how many were sent."""
    piece = repeated * max(1, _PIECE // len(repeated))
    sent = 0
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection, contextlib.suppress(OSError):
        connection.sendall(start)
        while sent < limit:
            connection.sendall(piece)
            sent += len(piece)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(_PIECE):
            pass
    return sent


@dataclass
class Observations:
    """The resident memory of a receiver and the response times of `/healthz`."""

    memory_before: int
    memory: int = 0
    response_seconds: list[float] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)

    @property
    def growth(self) -> int:
        """Bytes by which the memory grew."""
        return self.memory - self.memory_before


@contextlib.contextmanager
def observed(receiver: Receiver) -> Iterator[Observations]:
    """Measure until the end of the block, by another thread and another connection."""
    process = psutil.Process(receiver.process.pid)
    observations = Observations(memory_before=process.memory_info().rss)
    has_ended = threading.Event()

    def observe() -> None:
        with httpx.Client(timeout=20) as client:
            for number in itertools.count():
                began = time.monotonic()
                observations.statuses.add(client.get(f"{receiver.address}/healthz").status_code)
                observations.response_seconds.append(time.monotonic() - began)
                observations.memory = max(observations.memory, process.memory_info().rss)
                if number and has_ended.wait(0.01):
                    return

    thread = threading.Thread(target=observe)
    thread.start()
    try:
        yield observations
    finally:
        has_ended.set()
        thread.join()
