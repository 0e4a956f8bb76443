"""Limits of HTTP requests that the server's parser does not have: the time and size of everything but the body.

The parser accepts heads, trailers, chunk extensions and empty lines of any length, and calls back for each header.
Every byte that it does not hand over as the body of a request that is being read counts here, in one of two parts:

    head      from the end of the previous request to the end of the headers: empty lines, request line, headers
    framing   from there to the end of the request: sizes and extensions of chunks, line ends, trailers

Trailers count and are discarded: a header is what precedes the body, because everything about a request was decided
from that.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MAX_HEAD_BYTES = 32 * 1024
MAX_FIELDS = 100  # headers; likewise trailers
MAX_FRAMING_BYTES = 8 * 1024  # a body of the maximum size in chunks of 256 bytes needs less
# Senders of webhooks wait for a response before the next request on a connection.
MAX_PIPELINED_REQUESTS = 8
# The parser gets the received bytes in pieces of this size, and what it kept of each is counted.
PIECE_BYTES = 8 * 1024
_BAD_REQUEST = b"400 Bad Request"
_HEAD_TOO_LARGE = b"431 Request Header Fields Too Large"
_FRAMING_TOO_LARGE = b"413 Content Too Large"


class LimitExceeded(Exception):
    """Raised in a callback of the parser, which then stops parsing."""


class LimitedHttpProtocol(HttpToolsProtocol):
    """HTTP/1.1 with limits on the time and the size of heads, and on the size of the framing of bodies."""

    head_timeout_seconds = 10.0

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._is_in_head = True
        self._counted_bytes = 0
        self._counted_fields = 0
        self._unanswered: deque[RequestResponseCycle] = deque()
        self._deadline: asyncio.TimerHandle | None = None
        self._status = _BAD_REQUEST

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timeout for the first request."""
        super().connection_made(transport)
        self._start_timeout()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timeout."""
        self._cancel_timeout()
        self._abandon_requests()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse in pieces, and reject the request when the limit of its part is exceeded."""
        for start in range(0, len(data), PIECE_BYTES):
            piece = data[start : start + PIECE_BYTES]
            self._counted_bytes += len(piece)
            super().data_received(piece)
            if self.transport.is_closing():
                return
            if self._counted_bytes > (MAX_HEAD_BYTES if self._is_in_head else MAX_FRAMING_BYTES):
                self._reject(self._too_large)
                return

    @property
    def _too_large(self) -> bytes:
        return _HEAD_TOO_LARGE if self._is_in_head else _FRAMING_TOO_LARGE

    def _begin_part(self, *, is_head: bool) -> None:
        self._is_in_head = is_head
        self._counted_bytes = 0
        self._counted_fields = 0

    def on_message_begin(self) -> None:
        """Start the timeout with the first byte of a request."""
        if len(self.pipeline) >= MAX_PIPELINED_REQUESTS:
            raise LimitExceeded
        super().on_message_begin()
        self._start_timeout()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header and discard a trailer."""
        self._counted_fields += 1
        if self._counted_fields > MAX_FIELDS:
            self._status = self._too_large
            raise LimitExceeded
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Cancel the timeout when the headers are complete."""
        self._cancel_timeout()
        super().on_headers_complete()  # may raise
        self._unanswered.append(self.cycle)
        self._begin_part(is_head=False)

    def on_body(self, body: bytes) -> None:
        """Hand over the body, unless its request was responded to without reading it."""
        if not self.cycle.response_complete:
            self._counted_bytes = max(0, self._counted_bytes - len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Count what follows as the head of the next request."""
        self._begin_part(is_head=True)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Start the timeout for the next request, unless it has begun already."""
        self._unanswered.popleft()
        super().on_response_complete()
        if self.cycle.response_complete and self._deadline is None:
            self._start_timeout()

    def send_400_response(self, msg: str) -> None:
        """Reject a request that cannot be parsed or that exceeds a limit of a callback."""
        self._reject(self._status)

    def _start_timeout(self) -> None:
        self._cancel_timeout()
        self._deadline = self.loop.call_later(self.head_timeout_seconds, self._on_timeout)

    def _cancel_timeout(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _on_timeout(self) -> None:
        if self._is_in_head and not self._counted_bytes:
            self.transport.close()  # an idle connection: there is no request to respond to
        else:
            self._reject(b"408 Request Timeout")

    def _reject(self, status: bytes) -> None:
        """Close the connection, with a response if the request is the next one that is to be responded to."""
        if self.transport.is_closing():
            return
        is_own_response = self.cycle is None or self.cycle.response_complete
        if not self._is_in_head and not self.pipeline:
            is_own_response = not self.cycle.response_started
        if is_own_response:
            self.transport.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()
        self._abandon_requests()

    def _abandon_requests(self) -> None:
        """Have responses discarded. The server does that for the last request only, and writing would be an error."""
        for cycle in self._unanswered:
            cycle.disconnected = True
            cycle.message_event.set()


def limited_protocol(head_timeout_seconds: float) -> type[LimitedHttpProtocol]:
    """A protocol class with another timeout.

    The server creates an instance per connection.
    """
    return type("LimitedHttpProtocol", (LimitedHttpProtocol,), {"head_timeout_seconds": head_timeout_seconds})
