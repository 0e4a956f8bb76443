"""A real HTTP server on loopback with scripted responses, which records every request."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class ReceivedRequest:
    """A recorded request."""

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]  # names in lower case
    body: bytes


@dataclass(frozen=True)
class Reply:
    """A response. `is_split` closes the connection in the middle of the body."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    is_split: bool = False


def reply(value: Any, status: int = 200, **headers: str) -> Reply:
    """Return a JSON response. `_` in a header name becomes `-`."""
    return Reply(status, json.dumps(value).encode(), {name.replace("_", "-"): text for name, text in headers.items()})


@dataclass
class RunningServer:
    """A running server and its recorded requests."""

    url: str
    requests: list[ReceivedRequest]


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report errors except those of a client that closes its connection, as urllib does without reading it."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving(answer: Callable[[ReceivedRequest], Reply]) -> Iterator[RunningServer]:
    """Run a server that responds with `answer` until the block ends."""
    requests: list[ReceivedRequest] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            names = {name.lower(): value for name, value in self.headers.items()}
            request = ReceivedRequest(self.command, parts.path, dict(parse_qsl(parts.query)), names, body)
            requests.append(request)
            response = answer(request)
            self.send_response(response.status)
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(response.body) + (10 if response.is_split else 0)))
            self.end_headers()
            self.wfile.write(response.body)
            self.close_connection = response.is_split

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

        def log_message(self, format: str, *args: Any) -> None:
            """Do not log."""

    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield RunningServer(f"http://127.0.0.1:{server.server_address[1]}", requests)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def in_sequence(*replies: Reply) -> Callable[[ReceivedRequest], Reply]:
    """Return the responses in this order; the last one is repeated."""
    left = list(replies)
    lock = threading.Lock()

    def answer(_request: ReceivedRequest) -> Reply:
        with lock:
            return left.pop(0) if len(left) > 1 else left[0]

    return answer
