"""HTTP requests to one service: rate limit, retries with a deadline, and errors sorted by what the caller should do.

Errors never contain a query string, a header or a body, because those hold secrets, e-mail addresses and spoken words.
They name the method, the path, the status, and a short machine code if the server sent one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import httpx

from copilot_pipeline.clients.backoff import Backoff
from copilot_pipeline.clients.bounded_response import (
    ACCEPT_ENCODING,
    BoundedResponse,
    ResponseLimits,
    ResponseTooLarge,
    send_bounded,
)
from copilot_pipeline.clients.connections import open_http_client, proxy_problem
from copilot_pipeline.clients.error_response import describe_transport_error, parse_error_body, parse_retry_after
from copilot_pipeline.clients.json_body import describe_unreadable, is_json
from copilot_pipeline.errors import (
    BodyTooLarge,
    CredentialsRefused,
    GarbledResponse,
    NotFound,
    PipelineError,
    RequestRefused,
    TemporaryFailure,
)

TIMEOUT = httpx.Timeout(connect=10.0, read=40.0, write=30.0, pool=60.0)  # seconds; the vendors' gateways stop near 30
USER_AGENT = "copilot-pipeline"
MAX_CONNECTIONS = 32  # the largest number of requests in flight that can be configured

BACKOFF = Backoff(first_seconds=1.0, max_seconds=60.0, jitter=1.0)

_TOO_MANY_REQUESTS = 429
_MIN_ATTEMPT_SECONDS = 1.0  # of a retry that begins just before the deadline

QueryParams = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and for how long a request is retried."""

    attempts: int = 5
    deadline_seconds: float = 180.0
    backoff: Backoff = BACKOFF


class Limiter(Protocol):
    """What a request passes before it is sent. See `RateLimiter`."""

    def acquire(self, units: int = 1) -> None:
        """Return when the request may be sent. Raises `QuotaExhausted`."""

    def on_throttled(self, retry_after_seconds: float | None, code: str | None) -> None:
        """Slow down all processes after a 429. Raises `QuotaExhausted` if the quota is used up."""


class Outcome(Protocol):
    """Where the client notes what became of a request."""

    status: int | None


class Observer(Protocol):
    """What records the requests of a client. See `RequestMetrics`."""

    def waited(self, seconds: float) -> None:
        """Record the wait of a request for the rate limiter."""

    def request(self, method: str) -> AbstractContextManager[Outcome]:
        """Record the request that is sent inside the block."""


@dataclass(slots=True)
class _Unobserved:
    """Records nothing."""

    status: int | None = None

    def waited(self, seconds: float) -> None:
        """Do nothing."""

    def request(self, method: str) -> AbstractContextManager[Outcome]:
        """Do nothing."""
        return nullcontext(_Unobserved())


class HttpClient:
    """Sends requests to one service. Thread-safe. Redirects are errors: following one would send the key elsewhere."""

    def __init__(
        self,
        service: str,
        base_url: str,
        headers: Mapping[str, str],
        *,
        rate_limiter: Limiter | None = None,
        policy: RetryPolicy | None = None,
        limits: ResponseLimits | None = None,
        observer: Observer | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.service = service
        self.has_succeeded = False  # the credentials were accepted
        self._rate_limiter = rate_limiter
        self._observer = observer or _Unobserved()
        self._policy = policy or RetryPolicy()
        self._limits = limits or ResponseLimits()
        self._sleep = sleep
        self._secrets = tuple(headers.values())
        self._client = open_http_client(
            base_url=base_url,
            headers={
                "User-Agent": USER_AGENT,
                "Accept": "application/json",
                "Accept-Encoding": ACCEPT_ENCODING,
                **headers,
            },
            timeout=TIMEOUT,
            limits=httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS),
            transport=transport,
            follow_redirects=False,
        )

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        params: QueryParams = (),
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        units: int = 1,
        no_retry_on: frozenset[int] = frozenset(),
        is_readable: Callable[[bytes], bool] = is_json,
    ) -> BoundedResponse:
        """Send a request, retry temporary failures, and return the response.

        `units` is what it costs at the rate limiter. A status in `no_retry_on` is raised at its first occurrence, for
        callers with a better answer than a retry. A successful response whose body is not `is_readable` is a temporary
        failure as well: a proxy may have garbled it. Raises `CredentialsRefused`, `NotFound`, `RequestRefused`,
        `QuotaExhausted`, `BodyTooLarge`, and after the last attempt `TemporaryFailure`, which is a `GarbledResponse`
        if the last body was not readable.
        """
        request = self._client.build_request(method, path, params=params, content=content, headers=headers)
        deadline = time.monotonic() + self._policy.deadline_seconds
        attempt = 1
        while True:
            try:
                deadline += self._acquire(units)  # it is the server's time, not that of the rate limiter
                # The first attempt has its full time, the others what is left of the time for all of them.
                seconds = None if attempt == 1 else max(_MIN_ATTEMPT_SECONDS, deadline - time.monotonic())
                return self._send(request, path, is_readable, seconds)
            except TemporaryFailure as error:
                is_limited = self._is_limited(error.status)
                if error.status in no_retry_on or (not is_limited and attempt >= self._policy.attempts):
                    raise
                delay = 0.0 if is_limited else self._policy.backoff.delay(attempt, error.retry_after_seconds)
                # A wait beyond the deadline is left to the caller instead of being cut short.
                if time.monotonic() + delay >= deadline:
                    raise
                attempt += not is_limited
            self._sleep(delay)

    def _is_limited(self, status: int | None) -> bool:
        """Return whether it is a 429 for which the rate limiter makes this request pause with all others.

        The rate limiter raises if 429s do not end, so such a response is neither an attempt nor a reason to wait.
        """
        return self._rate_limiter is not None and status == _TOO_MANY_REQUESTS

    def _acquire(self, units: int) -> float:
        """Wait for the rate limiter. Return the seconds it took."""
        if self._rate_limiter is None:
            return 0.0
        waiting_since = time.monotonic()
        self._rate_limiter.acquire(units)
        waited = time.monotonic() - waiting_since
        self._observer.waited(waited)
        return waited

    def _send(
        self, request: httpx.Request, path: str, is_readable: Callable[[bytes], bool], seconds: float | None
    ) -> BoundedResponse:
        where = f"{self.service}: {request.method} {path}"
        try:
            with self._observer.request(request.method) as outcome:
                response = send_bounded(self._client, request, self._limits, seconds=seconds)
                outcome.status = response.status
        except httpx.RequestError as error:  # includes a body that cannot be decompressed
            raise TemporaryFailure(f"{where}: {describe_transport_error(error)}{proxy_problem(error)}") from None
        except ResponseTooLarge as error:
            raise BodyTooLarge(f"{where}: {error} (advanced.http in pipeline.yaml)", body=error.body) from None
        if not response.is_success:
            raise self._error_of(request.method, path, response)
        if not is_readable(response.body):
            problem = f"{where}: {response.status}, but {describe_unreadable(response.body)}"
            raise GarbledResponse(problem, status=response.status, body=response.body)
        self.has_succeeded = True
        return response

    def _error_of(self, method: str, path: str, response: BoundedResponse) -> PipelineError:
        status = response.status
        code, retry_after = parse_error_body(response.body)
        if code is not None and any(code in secret for secret in self._secrets):
            code = None  # the server quotes the key
        message = f"{self.service}: {method} {path}: {status}" + (f" {code}" if code else "")
        if status in (401, 403):
            return CredentialsRefused(f"{message}: the key is missing, wrong or expired, or lacks a permission")
        if status == 404:
            return NotFound(message, status=status, code=code)
        if retry_after is None:
            retry_after = parse_retry_after(response.headers.get("retry-after"))
        if self._rate_limiter is not None and self._is_limited(status):
            self._rate_limiter.on_throttled(retry_after, code)
        if status >= 500 or status in (408, 425, _TOO_MANY_REQUESTS):
            return TemporaryFailure(message, status=status, retry_after_seconds=retry_after)
        return RequestRefused(message, status=status, code=code)
