"""The client on a real server: requests that are paid once, their responses, and refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copilot_pipeline.clients.backoff import Backoff
from copilot_pipeline.clients.http import RetryPolicy
from copilot_pipeline.clients.semarize import (
    IdempotencyConflict,
    Kit,
    RunStatus,
    SemarizeClient,
    make_client,
    next_poll_seconds,
    run_request,
    same_request,
)
from copilot_pipeline.errors import (
    CredentialsRefused,
    GarbledResponse,
    NotFound,
    RequestRefused,
    TemporaryFailure,
    UnreadableBody,
)
from copilot_pipeline_tests.http_servers import ReceivedRequest, Reply, RunningServer, in_sequence, reply, serving

KEY = "smz_test_0123456789"
KIT = Kit("deal", code="A1B2C3D4")
TEXT = "Dana: Thanks for making time.\nLee: Price is a concern, naïve “quotes” 😀"
QUICK = RetryPolicy(attempts=3, backoff=Backoff(0.001, 0.01))


@contextmanager
def client_of(*replies: Reply) -> Iterator[tuple[SemarizeClient, RunningServer]]:
    """A client of a server that sends these responses in turn."""
    with serving(in_sequence(*replies)) as service:
        caller = make_client(service.url, KEY, policy=QUICK)
        try:
            yield SemarizeClient(caller), service
        finally:
            caller.close()


def test_creates_a_run_as_documented() -> None:
    """Key, type, path and body are those of the contract; the transcript is sent unchanged."""
    request = run_request("c-1", TEXT, KIT)
    with client_of(reply({"run_id": "run_1", "status": "queued"}, 202)) as (client, service):
        client.create(request)
    (received,) = service.requests
    assert (received.method, received.path) == ("POST", "/v1/runs")
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert received.headers["idempotency-key"] == request.idempotency_key
    assert received.headers["content-type"] == "application/json"
    assert json.loads(received.body) == {
        "kit_code": "A1B2C3D4",
        "input": {"transcript": TEXT},
        "mode": "async",
        "type": "api",
    }


def test_a_retry_sends_the_same_key_and_body() -> None:
    """After a temporary failure one run is paid, not two."""
    runs: dict[str, str] = {}
    answers = {"left_to_lose": 2}

    def service_answer(received: ReceivedRequest) -> Reply:
        run_id = runs.setdefault(received.headers["idempotency-key"], f"run_{len(runs)}")
        if answers["left_to_lose"]:
            answers["left_to_lose"] -= 1
            return Reply(500, is_split=True)
        return reply({"run_id": run_id, "status": "queued"}, 202)

    with serving(service_answer) as service:
        caller = make_client(service.url, KEY, policy=QUICK)
        state = SemarizeClient(caller).create(run_request("c-1", TEXT, KIT))
        caller.close()
    assert state.run_id == "run_0"
    assert len(runs) == 1
    assert len({received.body for received in service.requests}) == 1


FINISHED: dict[str, Any] = {
    "run_id": "run_1",
    "status": "succeeded",
    "kit_version_id": "6f0f6a0e-6c7a-4c9d-8f2b-0e5b4b0d7a11",
    "duration_ms": 4180,
    "output": {"kit_code": "A1B2C3D4", "bricks": {"risk_flag": {"value": True}}},
}


@pytest.mark.parametrize("status", [200, 202])
def test_the_body_decides_the_state_of_a_run(status: int) -> None:
    """200 and 202 say nothing about the state (contract, trap 1)."""
    with client_of(reply(FINISHED, status)) as (client, _):
        state = client.create(run_request("c-1", TEXT, KIT, mode="sync"))
        assert state.status is RunStatus.SUCCEEDED
        assert (state.duration_ms, state.kit_code) == (4180, "A1B2C3D4")
        assert state.kit_version_id == FINISHED["kit_version_id"]
    with client_of(reply({"run_id": "run_1", "status": "running"}, status)) as (client, _):
        assert not client.create(run_request("c-1", TEXT, KIT, mode="sync")).status.is_terminal


def test_keeps_the_body_unchanged() -> None:
    """The state holds the received bytes, so that scores can be parsed again."""
    raw = json.dumps(FINISHED, indent=3).encode()
    with client_of(Reply(200, raw)) as (client, _):
        assert client.read("run_1").body == raw


def test_a_failed_run_has_code_and_message() -> None:
    """Both can be stored."""
    failed = {"run_id": "run_1", "status": "failed", "error_code": "boom", "error_message": "a\x00b"}
    with client_of(reply(failed)) as (client, _):
        state = client.read("run_1")
    assert state.status.is_terminal
    assert (state.error_code, state.error_message) == ("boom", "a\ufffdb")


@pytest.mark.parametrize("raw", ["paused", "", None, 3])
def test_an_unknown_status_is_not_final(raw: Any) -> None:
    """A run with an unknown status is polled again."""
    with client_of(reply({"run_id": "run_1", "status": raw})) as (client, _):
        state = client.read("run_1")
    assert state.status is RunStatus.UNKNOWN
    assert not state.status.is_terminal


@pytest.mark.parametrize("duration", [None, "4180", True, 1e300, 10**400])
def test_a_duration_that_fits_no_column_is_none(duration: Any) -> None:
    """A duration is an integer that fits a database column, or None."""
    with client_of(reply({"run_id": "run_1", "status": "succeeded", "duration_ms": duration})) as (client, _):
        assert client.read("run_1").duration_ms is None


def test_the_body_overrides_the_retry_after_header() -> None:
    """If both say when to poll, the value of the body is used (contract, trap 10)."""
    both = reply({"run_id": "r", "status": "queued", "retry_after_seconds": 2}, 202, Retry_After="9")
    with client_of(both) as (client, _):
        assert client.read("r").poll_after_seconds == 2.0
    with client_of(reply({"run_id": "r", "status": "queued"}, 202, Retry_After="9")) as (client, _):
        assert client.read("r").poll_after_seconds == 9.0


def test_invalid_text_does_not_lose_a_run() -> None:
    """A run with half a surrogate pair in a quote is still read."""
    raw = json.dumps(FINISHED).replace("true", '"\\ud83d"').encode()
    with client_of(Reply(200, raw)) as (client, _):
        assert client.read("run_1").status is RunStatus.SUCCEEDED


@pytest.mark.parametrize("raw", [b"", b"<html>", b'{"run_id": "r'])
def test_a_garbled_response_is_requested_again_with_the_same_key(raw: bytes) -> None:
    """A body that is not JSON does not describe the run: the same request is sent again, so it is not paid twice."""
    with client_of(Reply(200, raw), reply({"run_id": "r", "status": "queued"})) as (client, service):
        assert client.create(run_request("c-1", TEXT, KIT)).run_id == "r"
        assert len({request.headers["idempotency-key"] for request in service.requests}) == 1
    with client_of(Reply(200, raw)) as (client, service):
        with pytest.raises(GarbledResponse) as caught:
            client.read("r")
        assert (caught.value.body, len(service.requests)) == (raw, QUICK.attempts)


@pytest.mark.parametrize("raw", [b"[]", b"{}", b'{"run_id": ""}', b"[" * 100_000])
def test_a_body_without_a_run_id_is_unreadable(raw: bytes) -> None:
    """A body that cannot be parsed, or that has no id, is an error with the reason."""
    with client_of(Reply(200, raw)) as (client, _), pytest.raises(UnreadableBody, match="Semarize"):
        client.create(run_request("c-1", TEXT, KIT))


def test_quotes_the_run_id_in_the_path() -> None:
    """A run id is one segment of the path, whatever characters it has."""
    with client_of(reply({"run_id": "r", "status": "queued"})) as (client, service):
        client.read("../kits?x=/y")
    assert service.requests[0].path == "/v1/runs/..%2Fkits%3Fx%3D%2Fy"


def test_does_not_retry_an_idempotency_conflict() -> None:
    """409 raises `IdempotencyConflict` with the code after one request."""
    conflict = reply({"error": "idempotency_key_conflict"}, 409)
    with client_of(conflict) as (client, service), pytest.raises(IdempotencyConflict, match="not retried") as caught:
        client.create(run_request("c-1", TEXT, KIT))
    assert len(service.requests) == 1
    assert (caught.value.status, caught.value.code) == (409, "idempotency_key_conflict")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "input_must_be_object", RequestRefused),
        (401, "invalid_api_key", CredentialsRefused),
        (404, "kit_not_found", NotFound),
        (422, "invalid_run_mode", RequestRefused),
        (409, "request_in_progress", TemporaryFailure),
        (429, "rate_limited", TemporaryFailure),
        (500, "run_request_failed", TemporaryFailure),
    ],
)
def test_documented_codes_raise_their_error(status: int, code: str, kind: type[Exception]) -> None:
    """The message has the code and no part of the transcript."""
    refusal = reply({"error": code, "detail": TEXT, "retry_after_seconds": 0}, status)
    with client_of(refusal) as (client, _), pytest.raises(kind, match=code) as caught:
        client.create(run_request("c-1", TEXT, KIT))
    assert "Price" not in str(caught.value)
    assert KEY not in str(caught.value)


def test_a_pinned_version_overrides_the_code() -> None:
    """Run and schema of a kit with both are requested by version."""
    kit = Kit("deal", code="A1B2C3D4", version_id="6f0f6a0e-6c7a-4c9d-8f2b-0e5b4b0d7a11")
    assert json.loads(run_request("c-1", TEXT, kit).body)["kit_version_id"] == kit.version_id
    assert b"kit_code" not in run_request("c-1", TEXT, kit).body
    with client_of(Reply(200, b"{}")) as (client, service):
        client.kit_schema(kit)
    assert service.requests[0].params == {"kit_version_id": kit.version_id}


REQUESTS = st.tuples(
    st.text(min_size=1, max_size=300),
    st.text(),
    st.sampled_from([KIT, Kit("deal", code="B1"), Kit("deal", version_id="6f0f6a0e-6c7a-4c9d-8f2b-0e5b4b0d7a11")]),
    st.sampled_from(["async", "sync"]),
)


@given(REQUESTS, REQUESTS)
def test_the_key_covers_the_body(one: tuple[str, str, Kit, str], other: tuple[str, str, Kit, str]) -> None:
    """Equal arguments give equal bytes and key; different bodies never share a key; a key fits in a header."""
    first, second = (run_request(call, text, kit, mode=mode) for call, text, kit, mode in (one, other))
    again = run_request(one[0], one[1], one[2], mode=one[3])
    assert (first.body, first.idempotency_key) == (again.body, again.idempotency_key)
    if first.body != second.body or one[0] != other[0]:
        assert first.idempotency_key != second.idempotency_key
    assert len(first.idempotency_key) <= 254
    assert first.idempotency_key.isascii()
    assert first.idempotency_key.isprintable()


@given(st.integers(0, 10_000), st.none() | st.floats(allow_nan=False))
def test_poll_delays_stay_within_their_bounds(attempt: int, advised: float | None) -> None:
    """At least one second; at most ten, or five minutes if the server requests it."""
    assert 1.0 <= next_poll_seconds(attempt, advised) <= (10.0 if advised is None else 300.0)


@pytest.mark.parametrize("kit", [KIT, Kit("deal", version_id="6f0f6a0e-6c7a-4c9d-8f2b-0e5b4b0d7a11")])
def test_a_known_key_gives_the_request_that_was_sent(kit: Kit) -> None:
    """This holds if the mode and type in the settings have changed since."""
    sent = run_request("c-1", TEXT, kit, mode="sync", run_type="sandbox")
    assert same_request("c-1", TEXT, kit, sent.idempotency_key) == sent
    again = same_request("c-1", TEXT, kit, f"{sent.idempotency_key}:again12")
    assert (again.body, again.idempotency_key) == (sent.body, f"{sent.idempotency_key}:again12")
    assert same_request("c-1", TEXT, kit, "of another release").idempotency_key == "of another release"
