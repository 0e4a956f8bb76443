"""A limit on the time and size of request headers.

The server's HTTP parser waits for the end of the headers without any limit: a client that sends one byte per minute
would keep its connection open forever.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEADER_BYTES = 32 * 1024


class HeaderTimeoutProtocol(HttpToolsProtocol):
    """HTTP/1.1 with a limit on the time and size of request headers."""

    timeout_seconds = 10.0

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._header_bytes = 0
        self._is_in_headers = True
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timeout for the first request."""
        super().connection_made(transport)
        self._start_timeout()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timeout."""
        self._cancel_timeout()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Start the timeout with the first byte of a request."""
        super().on_message_begin()
        self._start_timeout()

    def on_headers_complete(self) -> None:
        """Cancel the timeout when the headers are complete."""
        self._cancel_timeout()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Start the timeout for the next request, unless it has begun already."""
        super().on_response_complete()
        if self.cycle.response_complete and not self._is_in_headers:
            self._start_timeout()

    def data_received(self, data: bytes) -> None:
        """Count bytes that belong to headers, including empty lines before a request."""
        super().data_received(data)
        if not self._is_in_headers or self.transport.is_closing():
            return
        self._header_bytes += len(data)
        if self._header_bytes > MAX_HEADER_BYTES:
            self._reject(b"431 Request Header Fields Too Large")

    def _start_timeout(self) -> None:
        self._cancel_timeout()
        self._is_in_headers = True
        self._header_bytes = 0
        self._deadline = self.loop.call_later(self.timeout_seconds, self._on_timeout)

    def _cancel_timeout(self) -> None:
        self._is_in_headers = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _on_timeout(self) -> None:
        if self._header_bytes:
            self._reject(b"408 Request Timeout")
        else:
            self.transport.close()  # an idle connection: there is no request to respond to

    def _reject(self, status: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self.transport.close()


def protocol_with_timeout(seconds: float) -> type[HeaderTimeoutProtocol]:
    """A protocol class with another timeout.

    The server creates an instance per connection.
    """
    return type("HeaderTimeoutProtocol", (HeaderTimeoutProtocol,), {"timeout_seconds": seconds})
