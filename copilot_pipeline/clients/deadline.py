"""A deadline for a whole exchange with a server, which no slow sender can extend.

The timeouts of httpx apply to a single read or write: a server that sends one byte a second meets all of them for
hours, in the headers as well as in the body. So the network backend of the connections limits each operation to the
time that is left until the deadline of the current thread's request.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpcore
import httpx

_WRITE_BYTES = 64 * 1024  # written at a time, so that a slow reader does not extend the deadline
_deadline: ContextVar[float | None] = ContextVar("deadline of the current request, monotonic seconds", default=None)
_opened: ContextVar[list[_Stream] | None] = ContextVar("connections that the current request opened", default=None)


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Limit the requests that this thread sends within the block to so many seconds altogether."""
    tokens = _deadline.set(time.monotonic() + seconds), _opened.set([])
    try:
        yield
    finally:
        _deadline.reset(tokens[0])
        _opened.reset(tokens[1])


def close_opened() -> None:
    """Close the connections that the current request opened, which httpcore leaves open if a SOCKS proxy fails."""
    for stream in _opened.get() or ():
        stream.close()


def is_expired() -> bool:
    """Whether the deadline of the current request has passed."""
    end = _deadline.get()
    return end is not None and time.monotonic() >= end


def enforce_deadlines(client: httpx.Client) -> None:
    """Make the connections of a client observe `deadline`, those through proxies too."""
    # httpx has no public option for the network backend of httpcore; a test fails if these attributes change.
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx.HTTPTransport):
            transport._pool._network_backend = _Backend(transport._pool._network_backend)


def _timeout(timeout: float | None, error: type[httpcore.TimeoutException]) -> float | None:
    """Return the timeout, shortened to the time that is left. Raises `error` if none is left."""
    end = _deadline.get()
    if end is None:
        return timeout
    remaining = end - time.monotonic()
    if remaining <= 0:
        raise error("the deadline has passed")
    return remaining if timeout is None else min(timeout, remaining)


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _timeout(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _WRITE_BYTES):
            part = buffer[start : start + _WRITE_BYTES]
            self._stream.write(part, _timeout(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        limited = _timeout(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, limited))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    def __init__(self, backend: httpcore.NetworkBackend) -> None:
        self._backend = backend

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        limited = _timeout(timeout, httpcore.ConnectTimeout)
        stream = _Stream(self._backend.connect_tcp(host, port, limited, local_address, socket_options))
        if (opened := _opened.get()) is not None:
            opened.append(stream)
        return stream

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        limited = _timeout(timeout, httpcore.ConnectTimeout)
        return _Stream(self._backend.connect_unix_socket(path, limited, socket_options))

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)
