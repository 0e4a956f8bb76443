"""The connection, before there is a request: headers that never end are cut off, and so are those that never come.

The server's HTTP parser waits for the end of the headers without a limit of time or size; a sender of one byte a
minute would hold its connection for ever.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD_BYTES = 32 * 1024


class HeaderTimeoutProtocol(HttpToolsProtocol):
    """HTTP/1.1, with a limit on each request's head: `head_seconds` and `MOST_HEAD_BYTES`."""

    head_seconds = 10.0

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head_bytes = 0
        self._is_in_head = True
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first request is awaited from here on."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        self._head_is_here()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._await_head()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._head_is_here()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """The next request is awaited, unless it came already."""
        super().on_response_complete()
        if self.cycle.response_complete and not self._is_in_head:
            self._await_head()

    def data_received(self, data: bytes) -> None:
        """Bytes. Counted while they belong to a head, and so do the empty lines that may stand before one."""
        super().data_received(data)
        if not self._is_in_head or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > MOST_HEAD_BYTES:
            self._refuse(b"431 Request Header Fields Too Large")

    def _await_head(self) -> None:
        self._head_is_here()
        self._is_in_head = True
        self._head_bytes = 0
        self._deadline = self.loop.call_later(self.head_seconds, self._head_is_late)

    def _head_is_here(self) -> None:
        self._is_in_head = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _head_is_late(self) -> None:
        if self._head_bytes:
            self._refuse(b"408 Request Timeout")
        else:
            self.transport.close()  # an idle connection: nothing was asked, so nothing is answered

    def _refuse(self, status: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self.transport.close()


def protocol_with(head_seconds: float) -> type[HeaderTimeoutProtocol]:
    """The protocol with another limit of time; the server makes its instances itself, a connection each."""
    return type("HeaderTimeoutProtocol", (HeaderTimeoutProtocol,), {"head_seconds": head_seconds})
