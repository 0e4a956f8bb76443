"""Requests over real sockets: what is tried again, when, for how long, and what an error may say."""

from __future__ import annotations

import socket
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copilot_pipeline.clients.http import HttpClient, RetryPolicy, machine_code, retry_after
from copilot_pipeline.errors import (
    CredentialsRefused,
    NotFound,
    PipelineError,
    QuotaExhausted,
    RequestRefused,
    TemporaryFailure,
)
from copilot_pipeline_tests.http_servers import Reply, Service, in_turn, reply, serving

SECRET = "smz-live-1234567890abcdef"
SPOKEN = "Lee.Park@northwind.example"


@dataclass
class Gatekeeper:
    """A gate that keeps what it is told."""

    entered: list[int] = field(default_factory=list)
    throttles: list[tuple[float | None, str | None]] = field(default_factory=list)
    spent_at: int | None = None  # the request that finds the week spent

    def enter(self, units: int) -> None:
        if self.spent_at is not None and len(self.entered) >= self.spent_at:
            raise QuotaExhausted("spent", resets_at=datetime(2026, 11, 22, tzinfo=UTC))
        self.entered.append(units)

    def throttled(self, retry_after_seconds: float | None, code: str | None) -> None:
        self.throttles.append((retry_after_seconds, code))


@dataclass
class Talk:
    """A caller, its server, and the waits between its attempts."""

    caller: HttpClient
    service: Service
    waits: list[float]


@contextmanager
def talking(*replies: Reply, policy: RetryPolicy | None = None, gate: Gatekeeper | None = None) -> Iterator[Talk]:
    """A caller of a server that gives these answers in turn. Waits are noted, not waited."""
    waits: list[float] = []
    with serving(in_turn(*replies)) as service:
        caller = HttpClient(
            "Service",
            service.url,
            {"Authorization": f"Bearer {SECRET}"},
            gate=gate,
            policy=policy,
            sleep=waits.append,
        )
        try:
            yield Talk(caller, service, waits)
        finally:
            caller.close()


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_passes_is_tried_again(status: int) -> None:
    """A status that may pass is followed by another attempt, and the answer to that one is the answer."""
    with talking(Reply(status), reply({"ok": True})) as talk:
        assert talk.caller.call("GET", "/things").body == b'{"ok": true}'
        assert len(talk.service.asked) == 2


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
def test_what_stays_is_asked_once(status: int, kind: type[PipelineError]) -> None:
    """A refusal is not asked for twice, and comes as the error that says what to do."""
    with talking(Reply(status)) as talk:
        with pytest.raises(PipelineError) as caught:
            talk.caller.call("GET", "/things")
        assert type(caught.value) is kind
        assert len(talk.service.asked) == 1
        assert talk.waits == []


def test_attempts_end() -> None:
    """After the last attempt the failure is handed on, with its status, each wait under the growing ceiling."""
    with talking(Reply(503), policy=RetryPolicy(attempts=4, first_wait_seconds=1.0)) as talk:
        with pytest.raises(TemporaryFailure, match="Service: GET /things: 503") as caught:
            talk.caller.call("GET", "/things")
        assert caught.value.status == 503
        assert len(talk.service.asked) == 4
        assert len(talk.waits) == 3
        assert all(0 <= wait <= ceiling for wait, ceiling in zip(talk.waits, (2, 4, 8), strict=True))


def test_a_deadline_ends_it_too() -> None:
    """No attempt begins after the deadline, however many are left."""
    with talking(Reply(503), policy=RetryPolicy(attempts=50, deadline_seconds=0.0)) as talk:
        with pytest.raises(TemporaryFailure):
            talk.caller.call("GET", "/things")
        assert len(talk.service.asked) == 1


def test_the_servers_wish_is_the_wait() -> None:
    """`Retry-After` is waited for exactly; in the body it outranks the header (Semarize contract, trap 10)."""
    with talking(
        Reply(503, headers={"Retry-After": "7"}),
        reply({"error": "rate_limited", "retry_after_seconds": 3}, 429, Retry_After="9"),
        reply({}),
    ) as talk:
        talk.caller.call("GET", "/things")
        assert talk.waits == [7.0, 3.0]


def test_a_wish_beyond_the_deadline_is_handed_on() -> None:
    """A server that wants an hour is not asked earlier: the error carries the wish, and nothing is slept away."""
    with talking(Reply(429, headers={"Retry-After": "3600"}), policy=RetryPolicy(deadline_seconds=60)) as talk:
        with pytest.raises(TemporaryFailure) as caught:
            talk.caller.call("GET", "/things")
        assert caught.value.retry_after_seconds == 3600
        assert len(talk.service.asked) == 1
        assert talk.waits == []


def test_with_a_gate_a_429_is_waited_for_there() -> None:
    """The gate hears of each 429 with wish and code, and holds everybody back: nobody waits twice for it."""
    gate = Gatekeeper()
    limited = reply({"message": "Too Many Requests"}, 429, Retry_After="600")
    with talking(limited, reply({}), gate=gate, policy=RetryPolicy(deadline_seconds=60)) as talk:
        talk.caller.call("GET", "/things", units=4)
        assert gate.throttles == [(600.0, "Too Many Requests")]
        assert gate.entered == [4, 4]
        assert talk.waits == [0.0]


def test_how_often_a_429_is_too_often_is_for_the_gate_to_say() -> None:
    """With a gate, refusals are no attempts: a single worker insists until the gate closes."""
    gate = Gatekeeper(spent_at=9)
    with talking(Reply(429), gate=gate, policy=RetryPolicy(attempts=3)) as talk:
        with pytest.raises(QuotaExhausted):
            talk.caller.call("GET", "/things")
        assert len(gate.throttles) == 9


def test_every_attempt_passes_the_gate() -> None:
    """An attempt is a request like any other; where the week ends between two, the second is not sent."""
    gate = Gatekeeper(spent_at=2)
    with talking(Reply(500), gate=gate) as talk:
        with pytest.raises(QuotaExhausted):
            talk.caller.call("GET", "/things")
        assert len(talk.service.asked) == 2


def test_a_status_may_be_left_to_the_caller() -> None:
    """A status in `surrender_on` comes back at the first sight of it."""
    with talking(Reply(502)) as talk:
        with pytest.raises(TemporaryFailure) as caught:
            talk.caller.call("GET", "/things", surrender_on=frozenset({502}))
        assert caught.value.status == 502
        assert len(talk.service.asked) == 1


@pytest.mark.parametrize(
    "broken",
    [
        Reply(200, b'{"half": ', is_split=True),
        Reply(200, b"this is not gzip at all", {"Content-Encoding": "gzip"}),
    ],
    ids=["cut", "no gzip"],
)
def test_a_broken_answer_is_tried_again(broken: Reply) -> None:
    """An answer that breaks off, or cannot be unpacked, is a temporary failure and never half a body."""
    with talking(broken, reply({"whole": 1})) as talk:
        assert talk.caller.call("GET", "/things").body == b'{"whole": 1}'


def test_a_server_that_is_not_there_is_a_temporary_failure() -> None:
    """A refused connection is tried again and then reported in words."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    waits: list[float] = []
    caller = HttpClient("Service", f"http://127.0.0.1:{port}", {}, policy=RetryPolicy(attempts=2), sleep=waits.append)
    with pytest.raises(TemporaryFailure, match=r"Service: GET /things: nothing listens at this address"):
        caller.call("GET", "/things")
    assert len(waits) == 1
    caller.close()


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
def test_no_error_tells_a_secret(status: int, body: bytes) -> None:
    """Neither the key, nor the query, nor what the server said of them stands anywhere in an error or its trace."""
    with talking(Reply(status, body), policy=RetryPolicy(attempts=1)) as talk, pytest.raises(PipelineError) as caught:
        talk.caller.call("POST", "/things", params=(("email", SPOKEN),), content=SPOKEN.encode())
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(vars(caught.value))
    assert SECRET not in shown
    assert SPOKEN not in shown
    assert "POST /things" in shown


def test_a_host_that_dns_does_not_know_is_named_as_such() -> None:
    """A wrong address is told from a server that is down."""
    caller = HttpClient("Service", "http://no-such-host.invalid", {}, policy=RetryPolicy(attempts=1))
    with pytest.raises(TemporaryFailure, match="the name of the host is not known"):
        caller.call("GET", "/things")
    caller.close()


def test_a_transport_error_tells_no_address() -> None:
    """The library's own text may quote the address with its query: it is not chained to ours."""
    caller = HttpClient("Service", "http://127.0.0.1:1", {}, policy=RetryPolicy(attempts=1))
    with pytest.raises(TemporaryFailure) as caught:
        caller.call("GET", "/things", params=(("email", SPOKEN),))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    caller.close()


def test_a_machine_code_is_passed_on() -> None:
    """The server's short code stands in the error and its message: callers decide by it, people search for it."""
    with talking(reply({"error": "kit_not_found"}, 404)) as talk:
        with pytest.raises(NotFound, match="404 kit_not_found") as caught:
            talk.caller.call("GET", "/things")
        assert caught.value.code == "kit_not_found"


def test_retry_after_as_a_date() -> None:
    """An HTTP date is the seconds until it; one in the past is no wait."""
    ahead = retry_after(format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True))
    assert ahead is not None
    assert 85 <= ahead <= 90
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert retry_after("Wed, 21 Oct 2015 07:28:00 -0000") == 0.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), ("", None), ("0", 0.0), ("1.5", 1.5), ("-3", 0.0), ("soon", None), ("nan", None), ("inf", None)],
)
def test_retry_after_as_seconds(header: str | None, seconds: float | None) -> None:
    """A number is seconds; what is no finite number is no wish."""
    assert retry_after(header) == seconds


@given(st.one_of(st.text(), st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d\d:\d\d:\d\d [+-]\d+")))
def test_no_header_breaks_it(header: str) -> None:
    """Any header gives a wait of no less than nothing, or none."""
    seconds = retry_after(header)
    assert seconds is None or 0 <= seconds < float("inf")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[1]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"retry_after_seconds": 1' + b"0" * 400 + b"}",
        b'{"retry_after_seconds": "5"}',
        b'{"retry_after_seconds": true}',
        b'{"error": {"code": "nested"}}',
        b'{"message": "a sentence with blanks"}',
    ],
)
def test_an_odd_error_body_says_nothing(body: bytes) -> None:
    """A body that is not the documented envelope yields no code, no wait and no crash."""
    assert machine_code(body) == (None, None)


@given(st.binary())
def test_no_error_body_breaks_it(body: bytes) -> None:
    """Any bytes are an error body."""
    machine_code(body)
