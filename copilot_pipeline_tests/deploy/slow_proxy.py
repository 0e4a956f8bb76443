"""A proxy before an object store that delays requests, counts them, answers in its place, or cuts connections."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_OWN = {"connection", "transfer-encoding", "date", "server", "content-length"}


@dataclass(frozen=True)
class Request:
    """A request, as it arrived."""

    method: str
    path: str  # with the query


@dataclass(frozen=True)
class Answer:
    """What the proxy answers in place of the store; `cut` closes the connection instead."""

    status: int = 200
    body: bytes = b""
    cut: bool = False


@dataclass
class SlowProxy:
    """A running proxy. `answer_to` may answer a request in place of the store, which then does not see it."""

    store_url: str
    delay_seconds: float = 0.0
    answer_to: Callable[[Request], Answer | None] = lambda _: None
    requests: list[Request] = field(default_factory=list)
    port: int = 0
    most_at_once: int = 0
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def counted(self) -> Iterator[list[Request]]:
        """Collect the requests of a block."""
        first, collected = len(self.requests), list[Request]()
        yield collected
        collected += self.requests[first:]

    @contextmanager
    def serving(self, request: Request) -> Iterator[None]:
        """Record a request while it is answered."""
        with self._lock:
            self.requests.append(request)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            yield
        finally:
            with self._lock:
                self._now -= 1


@contextmanager
def running_slow_proxy(store_url: str, *, delay_seconds: float = 0.0) -> Iterator[SlowProxy]:
    """Run the proxy until the block ends."""
    proxy = SlowProxy(store_url, delay_seconds)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": proxy}))
    server.daemon_threads = True
    proxy.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    proxy: SlowProxy

    def _serve(self) -> None:
        body = self._body()
        request = Request(self.command, self.path)
        with self.proxy.serving(request):
            time.sleep(self.proxy.delay_seconds)
            answer = self.proxy.answer_to(request)
            if answer is None:
                self._forward(body)
            elif answer.cut:
                self.close_connection = True
            else:
                self._send(answer.status, {"Content-Type": "application/xml"}, answer.body)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _serve

    def _body(self) -> bytes:
        if "chunked" not in (self.headers.get("Transfer-Encoding") or ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers
            pass
        return b"".join(chunks)

    def _forward(self, body: bytes) -> None:
        connection = http.client.HTTPConnection(urlsplit(self.proxy.store_url).netloc, timeout=60)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "expect", "transfer-encoding", "content-length"):
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            content = response.read()
        except OSError:
            self.close_connection = True
            return
        finally:
            connection.close()
        kept = {name: value for name, value in response.getheaders() if name.lower() not in _OWN}
        length = response.getheader("Content-Length") if self.command == "HEAD" else None
        self._send(response.status, kept, content, length)

    def _send(self, status: int, headers: dict[str, str], body: bytes, length: str | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""
