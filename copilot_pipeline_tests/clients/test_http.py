"""Requests over real sockets: which are retried, when, for how long, and what an error may contain."""

from __future__ import annotations

import socket
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from copilot_pipeline.clients.backoff import Backoff
from copilot_pipeline.clients.http import HttpClient, RetryPolicy
from copilot_pipeline.errors import (
    CredentialsRefused,
    NotFound,
    PipelineError,
    QuotaExhausted,
    RequestRefused,
    TemporaryFailure,
)
from copilot_pipeline_tests.http_servers import Reply, RunningServer, in_sequence, reply, serving

SECRET = "smz-live-1234567890abcdef"
SPOKEN = "Lee.Park@northwind.example"


@dataclass
class RecordingLimiter:
    """A rate limiter that records its calls."""

    acquired: list[int] = field(default_factory=list)
    throttles: list[tuple[float | None, str | None]] = field(default_factory=list)
    exhausted_at: int | None = None  # the request that finds the quota used up

    def acquire(self, units: int = 1) -> None:
        if self.exhausted_at is not None and len(self.acquired) >= self.exhausted_at:
            raise QuotaExhausted("used up", resets_at=datetime(2026, 11, 22, tzinfo=UTC))
        self.acquired.append(units)

    def on_throttled(self, retry_after_seconds: float | None, code: str | None) -> None:
        self.throttles.append((retry_after_seconds, code))


@dataclass
class Exchange:
    """A client, its server, and the waits between its attempts."""

    client: HttpClient
    service: RunningServer
    waits: list[float]


@contextmanager
def exchange(
    *replies: Reply, policy: RetryPolicy | None = None, rate_limiter: RecordingLimiter | None = None
) -> Iterator[Exchange]:
    """A client of a server that sends these responses in turn. Waits are recorded, not slept."""
    waits: list[float] = []
    with serving(in_sequence(*replies)) as service:
        client = HttpClient(
            "Service",
            service.url,
            {"Authorization": f"Bearer {SECRET}"},
            rate_limiter=rate_limiter,
            policy=policy,
            sleep=waits.append,
        )
        try:
            yield Exchange(client, service, waits)
        finally:
            client.close()


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_retries_temporary_statuses(status: int) -> None:
    """A temporary status is followed by another attempt, whose response is returned."""
    with exchange(Reply(status), reply({"ok": True})) as one:
        assert one.client.request("GET", "/things").body == b'{"ok": true}'
        assert len(one.service.requests) == 2


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RequestRefused),
        (401, CredentialsRefused),
        (403, CredentialsRefused),
        (404, NotFound),
        (409, RequestRefused),
        (422, RequestRefused),
        (302, RequestRefused),
    ],
)
def test_does_not_retry_permanent_errors(status: int, kind: type[PipelineError]) -> None:
    """A permanent error, redirects included, is raised after one request, as its documented class."""
    with exchange(Reply(status)) as one:
        with pytest.raises(PipelineError) as caught:
            one.client.request("GET", "/things")
        assert type(caught.value) is kind
        assert len(one.service.requests) == 1
        assert one.waits == []


def test_raises_after_the_last_attempt() -> None:
    """After the last attempt the failure is raised with its status; each wait is below the growing ceiling."""
    with exchange(Reply(503), policy=RetryPolicy(attempts=4, backoff=Backoff(1.0, 60.0))) as one:
        with pytest.raises(TemporaryFailure, match="Service: GET /things: 503") as caught:
            one.client.request("GET", "/things")
        assert caught.value.status == 503
        assert len(one.service.requests) == 4
        assert len(one.waits) == 3
        assert all(0 <= wait <= ceiling for wait, ceiling in zip(one.waits, (1, 2, 4), strict=True))


def test_does_not_retry_after_the_deadline() -> None:
    """No attempt begins after the deadline, however many are left."""
    with exchange(Reply(503), policy=RetryPolicy(attempts=50, deadline_seconds=0.0)) as one:
        with pytest.raises(TemporaryFailure):
            one.client.request("GET", "/things")
        assert len(one.service.requests) == 1


def test_waits_as_long_as_retry_after() -> None:
    """`Retry-After` is used as it is; a value in the body overrides the header (Semarize contract, trap 10)."""
    with exchange(
        Reply(503, headers={"Retry-After": "7"}),
        reply({"error": "rate_limited", "retry_after_seconds": 3}, 429, Retry_After="9"),
        reply({}),
    ) as one:
        one.client.request("GET", "/things")
        assert one.waits == [7.0, 3.0]


def test_raises_if_retry_after_exceeds_the_deadline() -> None:
    """If the server requests an hour, the error carries the seconds, and the client neither sleeps nor retries."""
    with exchange(Reply(429, headers={"Retry-After": "3600"}), policy=RetryPolicy(deadline_seconds=60)) as one:
        with pytest.raises(TemporaryFailure) as caught:
            one.client.request("GET", "/things")
        assert caught.value.retry_after_seconds == 3600
        assert len(one.service.requests) == 1
        assert one.waits == []


def test_leaves_the_wait_after_a_429_to_the_rate_limiter() -> None:
    """The rate limiter receives each 429 with its wait and code and pauses all requests: the client adds no wait."""
    limiter = RecordingLimiter()
    limited = reply({"message": "Too Many Requests"}, 429, Retry_After="600")
    with exchange(limited, reply({}), rate_limiter=limiter, policy=RetryPolicy(deadline_seconds=60)) as one:
        one.client.request("GET", "/things", units=4)
        assert limiter.throttles == [(600.0, "Too Many Requests")]
        assert limiter.acquired == [4, 4]
        assert one.waits == [0.0]


def test_does_not_count_429s_as_attempts_with_a_rate_limiter() -> None:
    """With a rate limiter, the request is repeated until the limiter closes."""
    limiter = RecordingLimiter(exhausted_at=9)
    with exchange(Reply(429), rate_limiter=limiter, policy=RetryPolicy(attempts=3)) as one:
        with pytest.raises(QuotaExhausted):
            one.client.request("GET", "/things")
        assert len(limiter.throttles) == 9


def test_every_attempt_acquires_a_slot() -> None:
    """If the quota is used up between two attempts, the second is not sent."""
    limiter = RecordingLimiter(exhausted_at=2)
    with exchange(Reply(500), rate_limiter=limiter) as one:
        with pytest.raises(QuotaExhausted):
            one.client.request("GET", "/things")
        assert len(one.service.requests) == 2


def test_does_not_retry_statuses_in_no_retry_on() -> None:
    """A status in `no_retry_on` is raised after the first request."""
    with exchange(Reply(502)) as one:
        with pytest.raises(TemporaryFailure) as caught:
            one.client.request("GET", "/things", no_retry_on=frozenset({502}))
        assert caught.value.status == 502
        assert len(one.service.requests) == 1


@pytest.mark.parametrize(
    "broken",
    [
        Reply(200, b'{"half": ', is_split=True),
        Reply(200, b"this is not gzip at all", {"Content-Encoding": "gzip"}),
    ],
    ids=["truncated", "not gzip"],
)
def test_retries_broken_responses(broken: Reply) -> None:
    """A truncated response, or one that cannot be decompressed, is a temporary failure, never a partial body."""
    with exchange(broken, reply({"whole": 1})) as one:
        assert one.client.request("GET", "/things").body == b'{"whole": 1}'


def test_a_refused_connection_is_a_temporary_failure() -> None:
    """A refused connection is retried and then reported with its cause."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"  # bound, so that nothing else listens there
        waits: list[float] = []
        client = HttpClient("Service", url, {}, policy=RetryPolicy(attempts=2), sleep=waits.append)
        with pytest.raises(TemporaryFailure, match=r"Service: GET /things: connection refused"):
            client.request("GET", "/things")
        assert len(waits) == 1
        client.close()


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
@pytest.mark.parametrize(
    "body",
    [
        b'{"error": "%s"}' % SECRET.encode(),
        b'{"message": "no access for %s"}' % SPOKEN.encode(),
        b'{"detail": "Bearer %s is not known"}' % SECRET.encode(),
        SPOKEN.encode(),
    ],
)
def test_errors_contain_no_secret(status: int, body: bytes) -> None:
    """Neither the key, nor the query, nor a server's quote of them is in an error or its traceback."""
    with exchange(Reply(status, body), policy=RetryPolicy(attempts=1)) as one, pytest.raises(PipelineError) as caught:
        one.client.request("POST", "/things", params=(("email", SPOKEN),), content=SPOKEN.encode())
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(vars(caught.value))
    assert SECRET not in shown
    assert SPOKEN not in shown
    assert "POST /things" in shown


def test_reports_an_unknown_host_as_such() -> None:
    """A wrong address is distinguished from a server that is down."""
    client = HttpClient("Service", "http://no-such-host.invalid", {}, policy=RetryPolicy(attempts=1))
    with pytest.raises(TemporaryFailure, match="the host name cannot be resolved"):
        client.request("GET", "/things")
    client.close()


def test_a_transport_error_contains_no_url() -> None:
    """The library's own text may quote the URL with its query, so its exception is not chained to ours."""
    client = HttpClient("Service", "http://127.0.0.1:1", {}, policy=RetryPolicy(attempts=1))
    with pytest.raises(TemporaryFailure) as caught:
        client.request("GET", "/things", params=(("email", SPOKEN),))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    client.close()


def test_errors_carry_the_machine_code() -> None:
    """The server's short code is in the error and in its message."""
    with exchange(reply({"error": "kit_not_found"}, 404)) as one:
        with pytest.raises(NotFound, match="404 kit_not_found") as caught:
            one.client.request("GET", "/things")
        assert caught.value.code == "kit_not_found"
