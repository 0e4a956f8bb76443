"""The ASGI application: two endpoints, a health check and metrics. Every other response is JSON.

    POST /webhooks/clari-copilot     call ids, in any shape that `ids` reads
    POST /webhooks/semarize          run ids, likewise
    GET  /healthz                    200 if the database accepts webhooks, else 503
    GET  /metrics                    metrics of the whole pipeline in the text format of Prometheus

202 accepted · 200 duplicate, nothing written · 400 malformed · 401 unauthenticated, too old or replayed · 404 · 405 ·
408 the body took too long · 413 too large · 415 neither JSON nor a form, or compressed · 429 too many ·
503 the database is unavailable.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from copilot_pipeline.errors import TemporaryFailure
from copilot_pipeline.receiver.auth import Authentication, Secrets, authenticate
from copilot_pipeline.receiver.counters import RequestCounters
from copilot_pipeline.receiver.endpoints import Endpoint
from copilot_pipeline.receiver.errors import RequestRejected, unauthenticated
from copilot_pipeline.receiver.ids import ids_in
from copilot_pipeline.receiver.inbox_connection import RETRY_AFTER_SECONDS
from copilot_pipeline.receiver.metrics_page import CONTENT_TYPE, MetricsPage
from copilot_pipeline.receiver.payload import decode
from copilot_pipeline.receiver.throttle import TokenBucket
from copilot_pipeline.receiver.writer import InboxWriter
from copilot_pipeline.state.inbox import InboundWebhook, PutResult

HEALTH_CACHE_SECONDS = 1.0
# A client that is cut off while it sends gets a broken connection instead of the response: read and discard the rest.
MAX_DISCARDED_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one receiver.

    Bodies use at most `max_concurrent_bodies` times `max_body_bytes` of memory.
    """

    requests_per_second: float = 500.0
    max_body_bytes: int = 256 * 1024
    body_timeout_seconds: float = 10.0
    max_concurrent_bodies: int = 250
    database_timeout_seconds: float = 2.0


def receiver_app(
    endpoints: Mapping[Endpoint, Secrets], database_url: str, limits: Limits, metrics: MetricsPage | None = None
) -> Starlette:
    """Build the application, with `/metrics` if there is a page. It connects to the database with the first request."""
    receiver = _Receiver(InboxWriter(database_url, limits.database_timeout_seconds), limits)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with receiver.writer:
            yield
            await receiver.counters.write()
        receiver.counters.log()

    routes = [
        Route(endpoint.path, receiver.handler(endpoint, secrets), methods=["POST"], name=endpoint.name)
        for endpoint, secrets in endpoints.items()
    ]
    if metrics is not None:
        routes.append(Route("/metrics", partial(_metrics, metrics, receiver.counters), methods=["GET"]))
    app = Starlette(
        routes=[*routes, Route("/healthz", receiver.health, methods=["GET"])],
        exception_handlers={HTTPException: _http_error},
        lifespan=lifespan,
    )
    # A redirect would be to the address in the header Host, and to plain http behind a proxy with TLS.
    app.router.redirect_slashes = False
    return app


class _Receiver:
    def __init__(self, writer: InboxWriter, limits: Limits) -> None:
        self.writer = writer
        self.counters = RequestCounters(writer.add_counts)
        self._limits = limits
        # Separate buckets, so that many unauthenticated requests do not throttle authenticated ones.
        self._authenticated = TokenBucket(limits.requests_per_second)
        self._unauthenticated = TokenBucket(limits.requests_per_second)
        self._timeouts: dict[asyncio.Timeout, None] = {}  # of bodies that are being read, oldest first
        self._healthy_until = 0.0

    def handler(self, endpoint: Endpoint, secrets: Secrets) -> Callable[[Request], Awaitable[Response]]:
        """The request handler of an endpoint."""

        async def handle(request: Request) -> Response:
            try:
                result, count = await self._accept(endpoint, secrets, request)
                self.counters.add(endpoint.name, str(result))
                return JSONResponse({"status": str(result), "ids": count}, 202 if result is PutResult.ACCEPTED else 200)
            except RequestRejected as rejection:
                self.counters.add(endpoint.name, f"{rejection.status} {rejection.code}")
                return _rejection(rejection)
            except TemporaryFailure as failure:
                self.counters.add(endpoint.name, "503 unavailable")
                return _unavailable(failure)
            except ClientDisconnect:
                return Response(status_code=400)  # the client has closed the connection and cannot read it

        return handle

    async def _accept(self, endpoint: Endpoint, secrets: Secrets, request: Request) -> tuple[PutResult, int]:
        body = await self._read_body(request)
        authentication = self._authenticate(endpoint, secrets, request, body)
        self._throttle(self._authenticated)
        if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise RequestRejected(415, "compressed", "send the body without compression")
        ids = ids_in(endpoint.kind, decode(request.headers.get("content-type"), body))
        webhook = InboundWebhook(
            kind=endpoint.kind,
            ids=ids,
            endpoint=endpoint.name,
            expires_at=authentication.expires_at,
            signature_hash=authentication.signature_hash,
            message_hash=authentication.message_hash,
            may_repeat=authentication.may_repeat,
        )
        result = await self.writer.put(webhook)
        if result is PutResult.REPLAYED:
            raise unauthenticated("replayed", "this signature was used before: sign each request separately")
        return result, len(ids)

    def _authenticate(self, endpoint: Endpoint, secrets: Secrets, request: Request, body: bytes) -> Authentication:
        try:
            return authenticate(endpoint, secrets, request.headers, body, datetime.now(UTC))
        except RequestRejected:
            self._throttle(self._unauthenticated)
            raise

    def _throttle(self, bucket: TokenBucket) -> None:
        wait = bucket.acquire()
        if wait is not None:
            raise RequestRejected(429, "too_many", "too many requests: send it again later", retry_after_seconds=wait)

    async def _read_body(self, request: Request) -> bytes:
        """Read the raw body, limited in size and time independently of the headers."""
        declared = request.headers.get("content-length", "")
        is_too_large = declared.isdecimal() and (len(declared) > 18 or int(declared) > self._limits.max_body_bytes)
        if is_too_large and "expect" in request.headers:
            raise self._too_large()  # the client waits for a 100 Continue and has not sent the body
        timeout = asyncio.timeout(self._limits.body_timeout_seconds)
        try:
            async with timeout:
                self._cancel_slowest_if_full()
                self._timeouts[timeout] = None
                body = bytearray()
                received = 0
                async for chunk in request.stream():
                    received += len(chunk)
                    if received > MAX_DISCARDED_BYTES:
                        break
                    if received <= self._limits.max_body_bytes:
                        body += chunk
        except TimeoutError:
            message = "the body did not arrive in time: send it again, in one piece"
            raise RequestRejected(408, "too_slow", message) from None
        finally:
            self._timeouts.pop(timeout, None)
        if received > self._limits.max_body_bytes:
            raise self._too_large()
        return bytes(body)

    def _cancel_slowest_if_full(self) -> None:
        """Time out the body that has been read for longest if too many are being read.

        Many slow clients can then not block one that sends its body in one piece.
        """
        if len(self._timeouts) >= self._limits.max_concurrent_bodies:
            slowest = next(iter(self._timeouts))
            del self._timeouts[slowest]
            if not slowest.expired():
                slowest.reschedule(asyncio.get_running_loop().time())

    def _too_large(self) -> RequestRejected:
        message = f"the body is larger than {self._limits.max_body_bytes} bytes: send only the id"
        return RequestRejected(413, "too_large", message)

    async def health(self, _request: Request) -> Response:
        """Report whether the database accepts webhooks.

        The database is queried at most once a second.
        """
        if time.monotonic() >= self._healthy_until:
            try:
                await self.writer.ping()
            except TemporaryFailure as failure:
                return _unavailable(failure)
            self._healthy_until = time.monotonic() + HEALTH_CACHE_SECONDS
        return JSONResponse({"status": "ok"})


async def _metrics(page: MetricsPage, counters: RequestCounters, request: Request) -> Response:
    if not page.admits(request.headers.get("authorization")):
        detail = "send the token of COPILOT_PIPELINE_METRICS_TOKEN as a bearer token"
        return _rejection(unauthenticated("no_metrics_token", detail))
    try:
        return Response(await page.content(counters.write), media_type=CONTENT_TYPE)
    except TemporaryFailure as failure:
        return _unavailable(failure)


def _rejection(rejection: RequestRejected) -> Response:
    headers = {}
    if rejection.status == 401:
        headers["www-authenticate"] = "Bearer"
    if rejection.status in (408, 413):
        headers["connection"] = "close"  # the rest of the body is not read
    if rejection.retry_after_seconds is not None:
        headers["retry-after"] = str(rejection.retry_after_seconds)
    return JSONResponse({"error": rejection.code, "detail": str(rejection)}, rejection.status, headers)


def _unavailable(failure: TemporaryFailure) -> Response:
    wait = math.ceil(failure.retry_after_seconds or RETRY_AFTER_SECONDS)
    return JSONResponse({"error": "unavailable", "detail": str(failure)}, 503, {"retry-after": str(wait)})


async def _http_error(_request: Request, error: Exception) -> Response:
    """404 and 405.

    The body is not read, so the connection is closed after the response.
    """
    status = error.status_code if isinstance(error, HTTPException) else 404
    headers = error.headers if isinstance(error, HTTPException) else None
    code, detail = {
        404: (
            "no_such_path",
            "webhooks are posted to /webhooks/clari-copilot or /webhooks/semarize, without a slash after it",
        ),
        405: ("wrong_method", "webhooks are sent with POST"),
    }.get(status, ("refused", "this request is not served"))
    return JSONResponse({"error": code, "detail": detail}, status, {**(headers or {}), "connection": "close"})
