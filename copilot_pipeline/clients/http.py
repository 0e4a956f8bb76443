"""One way to speak HTTP: time limits, attempts, a total deadline, full jitter, and errors sorted by what to do.

Both clients (Clari Copilot, Semarize) and the sinks go through `HttpClient`. It never puts a query string, a header or
a body into an error: those hold secrets, people's addresses and spoken words. It names the method, the path and the
status, and at most a short machine code the server sent.
"""

from __future__ import annotations

import math
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol
from urllib.parse import urlencode

import httpx
import msgspec
import tenacity

from copilot_pipeline.errors import (
    CredentialsRefused,
    NotFound,
    PipelineError,
    RequestRefused,
    TemporaryFailure,
)

TIMEOUT = httpx.Timeout(connect=10.0, read=40.0, write=30.0, pool=60.0)  # seconds; the gateways give up near 30
USER_AGENT = "copilot-pipeline"

# A machine code is short and has no blanks ("kit_not_found", "Forbidden"); anything else may quote the request.
_MACHINE_CODE = re.compile(r"^[A-Za-z0-9_.\-]{1,64}$")
_KNOWN_SENTENCES = frozenset({"Too Many Requests", "Limit Exceeded", "Forbidden", "Internal server error"})

_DRIFT_TO_SLOWER = 0.02  # how much one slow answer moves the notion of the quickest ones

_WHY_NO_ANSWER = (
    (socket.gaierror, "the name of the host is not known: is its address right, and does DNS work here?"),
    (ssl.SSLCertVerificationError, "the server's certificate is not trusted here"),
    (ssl.SSLError, "no TLS connection: is https right for this address?"),
    (ConnectionRefusedError, "nothing listens at this address, or the server is down"),
    (httpx.ConnectTimeout, f"no connection within {TIMEOUT.connect:.0f} s"),
    (httpx.ReadTimeout, f"no answer within {TIMEOUT.read:.0f} s"),
    (httpx.RemoteProtocolError, "the server broke the answer off"),
    (httpx.DecodingError, "the answer cannot be unpacked"),
)

QueryParams = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to insist. Waits are full jitter: uniform between 0 and the growing ceiling."""

    attempts: int = 5
    deadline_seconds: float = 180.0
    first_wait_seconds: float = 1.0
    longest_wait_seconds: float = 60.0


class Gate(Protocol):
    """What a request passes before it is sent: the shared pace and the weekly budget."""

    def enter(self, units: int) -> None:
        """Returns when the request may be sent; raises `QuotaExhausted` when the week is used up."""

    def throttled(self, retry_after_seconds: float | None, code: str | None) -> None:
        """Hears of a 429, so that every process slows down; raises `QuotaExhausted` if it means the week."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer, body unread."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient:
    """Sends requests to one service, each through the gate, retrying what is worth it.

    Thread-safe: one instance serves all workers, each over its own connection.
    """

    def __init__(
        self,
        service: str,
        base_url: str,
        headers: Mapping[str, str],
        *,
        gate: Gate | None = None,
        policy: RetryPolicy | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.service = service
        self._gate = gate
        self._policy = policy or RetryPolicy()
        self._sleep = sleep
        self._base_url = base_url.rstrip("/")
        self._headers = {
            "User-Agent": USER_AGENT,
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            **headers,
        }
        self._transport = transport
        self._local = threading.local()
        self._clients: list[httpx.Client] = []
        self.has_succeeded = False  # the key was accepted
        self._quickest: dict[str, float] = {}  # by path

    @property
    def _client(self) -> httpx.Client:
        """A client for this thread. One shared pool serializes its threads on a lock at every request."""
        client: httpx.Client | None = getattr(self._local, "client", None)
        if client is None:
            client = httpx.Client(transport=self._transport)
            self._local.client = client
            self._clients.append(client)
        return client

    def _request(
        self, method: str, path: str, params: QueryParams, content: bytes | None, headers: Mapping[str, str] | None
    ) -> httpx.Request:
        """The request, whole. Built here and not by the client: merging its defaults anew costs as much as sending."""
        query = f"?{urlencode(params)}" if params else ""
        return httpx.Request(
            method,
            f"{self._base_url}{path}{query}",
            headers=self._headers if headers is None else {**self._headers, **headers},
            content=content,
            extensions={"timeout": TIMEOUT.as_dict()},
        )

    def close(self) -> None:
        """Closes the connections of all threads."""
        while self._clients:
            self._clients.pop().close()

    def call(
        self,
        method: str,
        path: str,
        *,
        params: QueryParams = (),
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        units: int = 1,
        surrender_on: frozenset[int] = frozenset(),
    ) -> Answer:
        """One answered request.

        `units` is what it costs at the gate; `surrender_on` names statuses that are temporary in general but that
        the caller handles better itself (502 on a page that is too large).
        Raises from the error tree: `CredentialsRefused`, `NotFound`, `RequestRefused`, `TemporaryFailure` (after the
        last attempt), `QuotaExhausted` (from the gate).
        """

        def once() -> Answer:
            return self._once(method, path, params, content, headers, units)

        retrying = tenacity.Retrying(
            stop=self._has_tried_enough,
            wait=self._wait_seconds,
            retry=tenacity.retry_if_exception(
                lambda error: isinstance(error, TemporaryFailure) and error.status not in surrender_on
            ),
            reraise=True,
            sleep=self._sleep,
        )
        return retrying(once)

    def _has_tried_enough(self, state: tenacity.RetryCallState) -> bool:
        """After so many attempts, or so long. How often a 429 is too often is for the gate to say: it raises then."""
        # Before, not after: a wish that reaches beyond the deadline is handed on at once and never cut short.
        is_late = bool(tenacity.stop_before_delay(self._policy.deadline_seconds)(state))
        return is_late or (not self._is_the_gates(state) and state.attempt_number >= self._policy.attempts)

    def _is_the_gates(self, state: tenacity.RetryCallState) -> bool:
        """The gate has heard of a 429 and holds everybody back, this request included."""
        error = state.outcome.exception() if state.outcome else None
        return self._gate is not None and isinstance(error, TemporaryFailure) and error.status == 429

    def _wait_seconds(self, state: tenacity.RetryCallState) -> float:
        if self._is_the_gates(state):
            return 0.0
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, TemporaryFailure) and error.retry_after_seconds is not None:
            return error.retry_after_seconds
        jitter = tenacity.wait_random_exponential(
            multiplier=self._policy.first_wait_seconds, max=self._policy.longest_wait_seconds
        )
        return float(jitter(state))

    def _once(
        self,
        method: str,
        path: str,
        params: QueryParams,
        content: bytes | None,
        headers: Mapping[str, str] | None,
        units: int,
    ) -> Answer:
        if self._gate is not None:
            self._gate.enter(units)
        began = time.monotonic()
        try:
            response = self._client.send(self._request(method, path, params, content, headers))
        except httpx.RequestError as error:  # the transport's errors, and a body that cannot be unpacked
            raise TemporaryFailure(f"{self.service}: {method} {path}: {_why(error)}") from None
        self._note_answer_seconds(path, time.monotonic() - began)
        if response.is_success:
            self.has_succeeded = True
            return Answer(response.status_code, response.headers, response.content)
        raise self._failure(method, path, response)

    def answer_seconds(self, path: str) -> float:
        """How long the quickest answers of late took there, without the wait at the gate; 0 before the first."""
        return self._quickest.get(path, 0.0)

    def _note_answer_seconds(self, path: str, seconds: float) -> None:
        """Follows the server, not ourselves: a busy process sees slow answers, but its quickest ones stay honest."""
        known = self._quickest.get(path, seconds)
        self._quickest[path] = min(seconds, known + (seconds - known) * _DRIFT_TO_SLOWER)

    def _failure(self, method: str, path: str, response: httpx.Response) -> PipelineError:
        status = response.status_code
        code, body_wait = machine_code(response.content)
        if code is not None and any(code in value for value in self._headers.values()):
            code = None  # the server quotes our key
        message = f"{self.service}: {method} {path}: {status}" + (f" {code}" if code else "")
        if status in (401, 403):
            return CredentialsRefused(f"{message}: the key is missing, wrong, expired or lacks the right")
        if status == 404:
            return NotFound(message, status=status, code=code)
        wait = body_wait if body_wait is not None else retry_after(response.headers.get("retry-after"))
        if status == 429:
            if self._gate is not None:
                self._gate.throttled(wait, code)
            return TemporaryFailure(message, status=status, retry_after_seconds=wait)
        if status >= 500 or status in (408, 425):
            return TemporaryFailure(message, status=status, retry_after_seconds=wait)
        return RequestRefused(message, status=status, code=code)


def _why(error: BaseException) -> str:
    """What kept an answer from coming. Never the exception's own text, which may quote the address with its query."""
    kind = type(error).__name__
    cause: BaseException | None = error
    while cause is not None:
        for known, words in _WHY_NO_ANSWER:
            if isinstance(cause, known):
                return f"{words} ({kind})"
        cause = cause.__cause__ or cause.__context__
    return kind


def retry_after(value: str | None) -> float | None:
    """Seconds from a `Retry-After` header: a number, or an HTTP date. None where there is none to obey."""
    if not value:
        return None
    try:
        return _wish(float(value))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return _wish((moment - datetime.now(UTC)).total_seconds())
    except (ValueError, OverflowError):
        return None


def _wish(value: object) -> float | None:
    """A wait of no less than nothing from what is a finite number, else none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def machine_code(body: bytes) -> tuple[str | None, float | None]:
    """The server's own short code and wished wait, from `errorMessage`, `message`, `error`, `detail`, or nothing.

    Free text is not passed on: it may quote the request.
    """
    try:
        parsed = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None, None
    if not isinstance(parsed, dict):
        return None, None
    wait = _wish(parsed.get("retry_after_seconds"))
    for key in ("error", "errorMessage", "message", "detail"):
        value = parsed.get(key)
        if isinstance(value, str) and (value in _KNOWN_SENTENCES or _MACHINE_CODE.match(value)):
            return value, wait
    return None, wait
