"""The ASGI application: two endpoints and a health check. Every answer is JSON, and none comes before it is true.

    POST /webhooks/clari-copilot     a call id, in any shape `subjects` reads
    POST /webhooks/semarize          a run id, likewise
    GET  /healthz                    200 while the database takes webhooks, 503 while it does not

202 accepted · 200 a duplicate, nothing written · 400 malformed · 401 not authentic, too old or replayed · 404 · 405 ·
408 the body took too long · 413 too large · 415 neither JSON nor a form, or compressed · 429 too many ·
503 the database is away.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from copilot_pipeline.errors import TemporaryFailure
from copilot_pipeline.receiver.auth import Authentication, Secrets, prove
from copilot_pipeline.receiver.counters import RequestCounters
from copilot_pipeline.receiver.endpoints import Endpoint
from copilot_pipeline.receiver.ids import subjects_in
from copilot_pipeline.receiver.payload import decode
from copilot_pipeline.receiver.refusals import Refused, not_authentic
from copilot_pipeline.receiver.throttle import TokenBucket
from copilot_pipeline.receiver.writer import RETRY_AFTER_SECONDS, InboxWriter
from copilot_pipeline.state.inbox import InboundWebhook, PutResult

HEALTH_IS_KNOWN_SECONDS = 1.0
# A sender that is cut off while it still sends sees a broken connection instead of the answer: let it finish.
MOST_BYTES_THROWN_AWAY = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What one receiver takes. Bodies being read hold at most `bodies_at_once` times `body_bytes` of memory."""

    requests_per_second: float = 500.0
    body_bytes: int = 256 * 1024
    body_seconds: float = 10.0
    bodies_at_once: int = 1000


def receiver_app(endpoints: Mapping[Endpoint, Secrets], database_url: str, limits: Limits) -> Starlette:
    """The application. It connects to the database when it is first needed."""
    receiver = _Receiver(InboxWriter(database_url), limits)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with receiver.intake:
            yield
        receiver.tally.report()

    routes = [
        Route(endpoint.path, receiver.endpoint(endpoint, secrets), methods=["POST"], name=endpoint.name)
        for endpoint, secrets in endpoints.items()
    ]
    return Starlette(
        routes=[*routes, Route("/healthz", receiver.health, methods=["GET"])],
        exception_handlers={HTTPException: _no_such_door},
        lifespan=lifespan,
    )


class _Receiver:
    def __init__(self, intake: InboxWriter, limits: Limits) -> None:
        self.intake = intake
        self._limits = limits
        # Apart, so that strangers who flood the receiver never use up the share of those who know the secret.
        self._known = TokenBucket(limits.requests_per_second)
        self._strangers = TokenBucket(limits.requests_per_second)
        self._reading: dict[asyncio.Timeout, None] = {}  # whose bodies are being read, the longest first
        self.tally = RequestCounters()
        self._well_until = 0.0

    def endpoint(self, endpoint: Endpoint, secrets: Secrets) -> Callable[[Request], Awaitable[Response]]:
        """The endpoint of a endpoint."""

        async def receive(request: Request) -> Response:
            try:
                outcome, ids = await self._accept(endpoint, secrets, request)
                self.tally.note(endpoint.name, str(outcome))
                return _answer(outcome, ids)
            except Refused as refusal:
                self.tally.note(endpoint.name, f"{refusal.status} {refusal.code}")
                return _refusal(refusal)
            except TemporaryFailure as failure:
                self.tally.note(endpoint.name, "503 unavailable")
                return _unavailable(failure)
            except ClientDisconnect:
                return Response(status_code=400)  # nobody is there to read it

        return receive

    async def _accept(self, endpoint: Endpoint, secrets: Secrets, request: Request) -> tuple[PutResult, int]:
        body = await self._read(request)
        proof = self._prove(endpoint, secrets, request, body)
        self._pass(self._known)
        if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise Refused(415, "compressed", "send the body as it is, without compression")
        ids = subjects_in(endpoint.kind, decode(request.headers.get("content-type"), body))
        delivery = InboundWebhook(
            kind=endpoint.kind,
            ids=ids,
            endpoint=endpoint.name,
            expires_at=proof.expires_at,
            signature_hash=proof.signature,
            message_hash=proof.delivery,
            may_repeat=proof.may_repeat,
        )
        outcome = await self.intake.put(delivery)
        if outcome is PutResult.REPLAYED:
            raise not_authentic("replayed", "this signature was used before: sign each request anew")
        return outcome, len(ids)

    def _prove(self, endpoint: Endpoint, secrets: Secrets, request: Request, body: bytes) -> Authentication:
        try:
            return prove(endpoint, secrets, request.headers, body, datetime.now(UTC))
        except Refused:
            self._pass(self._strangers)
            raise

    def _pass(self, bucket: TokenBucket) -> None:
        wait = bucket.take()
        if wait is not None:
            raise _too_many(wait)

    async def _read(self, request: Request) -> bytes:
        """The raw body, limited in size and time, whatever its headers say."""
        declared = request.headers.get("content-length", "")
        is_too_large = declared.isdecimal() and (len(declared) > 18 or int(declared) > self._limits.body_bytes)
        if is_too_large and "expect" in request.headers:
            raise self._too_large()  # it asked first, and has not begun to send
        patience = asyncio.timeout(self._limits.body_seconds)
        try:
            async with patience:
                self._make_room()
                self._reading[patience] = None
                body = bytearray()
                received = 0
                async for chunk in request.stream():
                    received += len(chunk)
                    if received > MOST_BYTES_THROWN_AWAY:
                        break
                    if received <= self._limits.body_bytes:
                        body += chunk
        except TimeoutError:
            raise Refused(408, "too_slow", "the body did not arrive in time: send it again, in one piece") from None
        finally:
            self._reading.pop(patience, None)
        if received > self._limits.body_bytes:
            raise self._too_large()
        return bytes(body)

    def _make_room(self) -> None:
        """Where too many bodies are under way, the one that takes longest gives way to the newest.

        A thousand senders that trickle can then not keep out one that sends its few bytes at once.
        """
        if len(self._reading) >= self._limits.bodies_at_once:
            slowest = next(iter(self._reading))
            del self._reading[slowest]
            if not slowest.expired():
                slowest.reschedule(asyncio.get_running_loop().time())

    def _too_large(self) -> Refused:
        return Refused(413, "too_large", f"the body is larger than {self._limits.body_bytes} bytes: send only the id")

    async def health(self, _request: Request) -> Response:
        """Whether webhooks are taken. Asks the database at most once a second."""
        if time.monotonic() >= self._well_until:
            try:
                await self.intake.ping()
            except TemporaryFailure as failure:
                return _unavailable(failure)
            self._well_until = time.monotonic() + HEALTH_IS_KNOWN_SECONDS
        return JSONResponse({"status": "ok"})


def _too_many(wait_seconds: int) -> Refused:
    return Refused(429, "too_many", "too many requests: send it again later", retry_after_seconds=wait_seconds)


def _answer(outcome: PutResult, ids: int) -> Response:
    return JSONResponse({"status": str(outcome), "ids": ids}, 202 if outcome is PutResult.ACCEPTED else 200)


def _refusal(refusal: Refused) -> Response:
    headers = {}
    if refusal.status == 401:
        headers["www-authenticate"] = "Bearer"
    if refusal.status in (408, 413):
        headers["connection"] = "close"  # the rest of the body, if any, is not waited for
    if refusal.retry_after_seconds is not None:
        headers["retry-after"] = str(refusal.retry_after_seconds)
    return JSONResponse({"error": refusal.code, "detail": str(refusal)}, refusal.status, headers)


def _unavailable(failure: TemporaryFailure) -> Response:
    wait = math.ceil(failure.retry_after_seconds or RETRY_AFTER_SECONDS)
    return JSONResponse({"error": "unavailable", "detail": str(failure)}, 503, {"retry-after": str(wait)})


async def _no_such_door(_request: Request, error: Exception) -> Response:
    """404 and 405. The body is not read, so the connection ends with the answer."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    given = error.headers if isinstance(error, HTTPException) else None
    code, detail = {
        404: ("no_such_path", "webhooks are posted to /webhooks/clari-copilot and /webhooks/semarize"),
        405: ("wrong_method", "webhooks are sent with POST"),
    }.get(status, ("refused", "this request is not served"))
    return JSONResponse({"error": code, "detail": detail}, status, {**(given or {}), "connection": "close"})
