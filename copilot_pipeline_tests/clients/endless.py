"""Servers over raw sockets whose responses do not end, or end too late."""

from __future__ import annotations

import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

OK = b"HTTP/1.1 200 OK\r\n"
MEBIBYTE = 1024 * 1024
# What has no deadline of its own takes a minute or longer: a test tells both apart on a busy machine, too.
SILENT_SECONDS = 60.0
IN_TIME_SECONDS = 30.0


@contextmanager
def raw_server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that writes whatever `answer` writes to the socket after the request has arrived."""
    listener = socket.create_server(("127.0.0.1", 0))
    is_over = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65_536)
            answer(connection)

    def accept() -> None:
        with suppress(OSError):
            while not is_over.is_set():
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        is_over.set()
        listener.close()


def dripping(connection: socket.socket, data: bytes, *, seconds: float = 0.05) -> None:
    """Send one byte at a time until the client hangs up."""
    while True:
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(seconds)


def drip_body(connection: socket.socket) -> None:
    connection.sendall(OK + b"Content-Length: 1000000\r\n\r\n")
    dripping(connection, b" ")


def drip_headers(connection: socket.socket) -> None:
    connection.sendall(OK)
    dripping(connection, b"X-Header: value\r\n")


def drip_status(connection: socket.socket) -> None:
    dripping(connection, b"HTTP/1.1 100 Continue\r\n\r\n")


def drip_chunks(connection: socket.socket) -> None:
    connection.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    dripping(connection, b"1\r\n \r\n")


def say_nothing(connection: socket.socket) -> None:
    time.sleep(SILENT_SECONDS)


def endless_plain(connection: socket.socket) -> None:
    connection.sendall(OK + b"Content-Length: 3000000000\r\n\r\n")
    block = b"x" * MEBIBYTE
    for _ in range(2861):
        connection.sendall(block)


def bomb(connection: socket.socket) -> None:
    """6 MB of gzip that become 6 GB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block, zeros = b"", b"0" * MEBIBYTE
    for _ in range(64):
        block += packer.compress(zeros)
    block += packer.flush(zlib.Z_FULL_FLUSH)
    rest = zlib.compressobj(9, zlib.DEFLATED, -15)
    repeated = b"".join(rest.compress(zeros) for _ in range(64)) + rest.flush(zlib.Z_FULL_FLUSH)
    connection.sendall(OK + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n" + block)
    for _ in range(93):
        connection.sendall(repeated)
