"""Authentication, inbox rows and responses of a receiver process with a real database."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.receiver.process import Receiver, inbox, running
from copilot_pipeline_tests.receiver.signing import SECRET, now, semarize, signed, standard

pytestmark = pytest.mark.e2e

BODY = b'{"call_id": "c1"}'
SHARED = {"x-webhook-secret": SECRET}
Make = Callable[[], dict[str, str]]


def shifted(seconds: int) -> str:
    """A timestamp this many seconds from now."""
    return str(int(now()) + seconds)


# Signed when the test runs, because a signature expires after five minutes.
@pytest.mark.parametrize(
    "make",
    [
        lambda: SHARED,
        lambda: {"authorization": f"Bearer {SECRET}"},
        lambda: {"authorization": f"bearer {SECRET}"},
        lambda: signed(BODY),
        lambda: standard(BODY),
        lambda: signed(BODY, at=str(int(time.time() * 1000))),
        lambda: signed(BODY, at=shifted(-290)),
    ],
    ids=["secret", "bearer", "bearer-lower", "signed", "standard", "milliseconds", "late"],
)
def test_accepts_every_way_to_authenticate(receiver: Receiver, module_database: Database, make: Make) -> None:
    """Each responds with 202 and writes a row to the inbox."""
    answer = receiver.post(BODY, make())
    assert (answer.status_code, answer.json()) == (202, {"status": "accepted", "ids": 1})
    assert inbox(module_database) == [("call", "c1", 1)]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: {}, "no_credentials"),
        (lambda: {"x-webhook-secret": "wrong"}, "wrong_secret"),
        (lambda: {"x-webhook-secret": ""}, "no_credentials"),
        (lambda: {"authorization": f"Basic {SECRET}"}, "no_credentials"),
        (lambda: {"x-webhook-secret": SECRET[:-1]}, "wrong_secret"),
        (lambda: signed(BODY, secret="another"), "wrong_signature"),
        (lambda: signed(BODY + b" "), "wrong_signature"),
        (lambda: signed(BODY, at=shifted(-310)), "wrong_time"),
        (lambda: signed(BODY, at=shifted(310)), "wrong_time"),
        (lambda: signed(BODY, at=""), "wrong_timestamp"),
        (lambda: signed(BODY, at="tomorrow"), "wrong_timestamp"),
        (lambda: {**signed(BODY), "x-webhook-timestamp": shifted(-1)}, "wrong_signature"),
        (lambda: {"x-webhook-signature": signed(BODY)["x-webhook-signature"]}, "no_timestamp"),
        (lambda: {**signed(BODY), "x-webhook-signature": "not a digest"}, "wrong_signature"),
        # A wrong signature is rejected, even if the right secret is sent too.
        (lambda: {**signed(BODY, secret="another"), **SHARED}, "wrong_signature"),
        (lambda: standard(BODY, secret="another"), "wrong_signature"),
        (lambda: standard(BODY, at=shifted(-310)), "wrong_time"),
        (lambda: {"webhook-signature": standard(BODY)["webhook-signature"]}, "no_timestamp"),
    ],
)
def test_rejects_wrong_credentials(receiver: Receiver, module_database: Database, make: Make, reason: str) -> None:
    """401 with the reason; nothing is written."""
    answer = receiver.post(BODY, make())
    assert (answer.status_code, answer.json()["error"]) == (401, reason)
    assert inbox(module_database) == []


@pytest.mark.parametrize("sign", [signed, standard], ids=["signed", "standard"])
def test_rejects_a_replay(
    receiver: Receiver, module_database: Database, sign: Callable[[bytes], dict[str, str]]
) -> None:
    """The second use of a signature is 401, even if the inbox is empty."""
    headers = sign(BODY)
    assert receiver.post(BODY, headers).status_code == 202
    with module_database.connection() as connection:
        connection.execute("TRUNCATE copilot_ops.inbox")
    answer = receiver.post(BODY, headers)
    assert (answer.status_code, answer.json()["error"]) == (401, "replayed")
    assert inbox(module_database) == []


def test_rejects_a_replay_in_another_encoding(receiver: Receiver) -> None:
    """The same digest in upper case or in the combined form is the same signature."""
    headers = signed(BODY)
    moment, signature = headers["x-webhook-timestamp"], headers["x-webhook-signature"]
    assert receiver.post(BODY, headers).status_code == 202
    for encoded in (
        {**headers, "x-webhook-signature": signature.upper()},
        {"x-webhook-signature": f"t={moment},v1={signature}"},
    ):
        assert receiver.post(BODY, encoded).json()["error"] == "replayed"


def test_recognizes_a_redelivery_by_its_id(receiver: Receiver, module_database: Database) -> None:
    """Standard Webhooks signs a retry again under the same id: 200, and nothing is written twice."""
    first, second = standard(BODY, name="msg_1"), standard(BODY, name="msg_1", at=str(int(now()) - 5))
    assert receiver.post(BODY, first).status_code == 202
    answer = receiver.post(BODY, second)
    assert (answer.status_code, answer.json()["status"]) == (200, "duplicate")
    assert inbox(module_database) == [("call", "c1", 1)]


def test_accepts_different_bodies_under_one_id(receiver: Receiver, module_database: Database) -> None:
    """A duplicate has the same id and the same body, so a sender with a constant id loses nothing."""
    for subject in ("c1", "c2"):
        body = json.dumps({"call_id": subject}).encode()
        assert receiver.post(body, standard(body, name="constant")).status_code == 202
    assert [row[1] for row in inbox(module_database)] == ["c1", "c2"]


@pytest.mark.parametrize("plain", [False, True], ids=["timestamp", "plain"])
def test_accepts_semarize_signatures(receiver: Receiver, module_database: Database, plain: bool) -> None:
    """A run is a row of kind `run`; a redelivery is a duplicate; a replay under another id is rejected."""
    body = b'{"event": "run.succeeded", "data": {"run_id": "run_8f3a0c11", "status": "succeeded"}}'
    headers = semarize(body, plain=plain)
    answers = [
        receiver.post(body, headers, endpoint="semarize"),
        receiver.post(body, headers, endpoint="semarize"),
        receiver.post(body, {**headers, "semarize-delivery-id": "other"}, endpoint="semarize"),
    ]
    assert [answer.status_code for answer in answers] == [202, 200, 401]
    assert inbox(module_database) == [("run", "run_8f3a0c11", 1)]


def test_endpoints_have_separate_secrets(receiver: Receiver) -> None:
    """If both secrets are set, neither is valid for the other endpoint."""
    assert receiver.post(b'{"run_id": "r1"}', SHARED, endpoint="semarize").status_code == 401
    assert receiver.post(BODY, semarize(BODY)).status_code == 401


def test_accepts_both_secrets_during_rotation(database: Database) -> None:
    """With an old and a new secret, both are accepted in every way to authenticate."""
    new, old = "the-new-secret-of-the-tests", "the-old-secret-of-the-tests"
    with running(database.url, secret=f"{new} {old}") as receiver:
        for secret in (new, old):
            assert receiver.post(BODY, {"x-webhook-secret": secret}).status_code == 202
            assert receiver.post(BODY, signed(BODY, secret=secret)).status_code == 202
            assert receiver.post(BODY, standard(BODY, secret=secret)).status_code == 202
        assert receiver.post(BODY, {"x-webhook-secret": f"{new} {old}"}).status_code == 401


def test_throttles_unauthenticated_requests_separately(database: Database) -> None:
    """After the burst, 429 with Retry-After; authenticated requests have a bucket of their own."""
    with running(database.url, requests_per_second=0.5) as receiver:  # a burst of five
        rejected = [receiver.post(BODY, {"x-webhook-secret": "no"}) for _ in range(8)]
        assert [answer.status_code for answer in rejected] == [401] * 5 + [429] * 3
        assert int(rejected[-1].headers["retry-after"]) >= 1
        accepted = [receiver.post(BODY, SHARED).status_code for _ in range(8)]
        assert accepted == [202] * 5 + [429] * 3


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/webhooks/clari-copilot", 405),
        ("HEAD", "/webhooks/semarize", 405),
        ("PUT", "/webhooks/semarize", 405),
        ("OPTIONS", "/webhooks/semarize", 405),
        ("POST", "/healthz", 405),
        ("POST", "/", 404),
        ("POST", "/webhooks/other", 404),
        ("POST", "/webhooks/../etc", 404),
        ("POST", "/webhooks/clari-copilot/", 404),
        ("GET", "/healthz/", 404),
        ("GET", "/healthz", 200),
    ],
)
def test_serves_only_its_endpoints(receiver: Receiver, method: str, path: str, status: int) -> None:
    """Other methods are 405, other paths 404, and none is redirected."""
    answer = receiver.client.request(method, receiver.address + path, headers=SHARED)
    assert answer.status_code == status
    assert "location" not in answer.headers


def test_merges_webhooks_of_a_pending_call(receiver: Receiver, module_database: Database) -> None:
    """Three webhooks of one call, while it is pending, are one row that counts them."""
    assert [receiver.post(BODY, SHARED).status_code for _ in range(3)] == [202] * 3
    assert inbox(module_database) == [("call", "c1", 3)]
