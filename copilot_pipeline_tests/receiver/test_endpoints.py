"""Whom the receiver believes, what it writes, and what it answers. A real process, a real database."""

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
    """A timestamp that many seconds from now."""
    return str(int(now()) + seconds)


# Made when the test runs: a signature is good for five minutes.
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
def test_whoever_knows_the_secret_is_believed(receiver: Receiver, module_database: Database, make: Make) -> None:
    """Each way to prove it ends with 202 and a row in the inbox."""
    answer = receiver.post(BODY, make())
    assert (answer.status_code, answer.json()) == (202, {"status": "accepted", "ids": 1})
    assert inbox(module_database) == [("call", "c1", 1)]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: {}, "no_proof"),
        (lambda: {"x-webhook-secret": "wrong"}, "wrong_secret"),
        (lambda: {"x-webhook-secret": ""}, "no_proof"),
        (lambda: {"authorization": f"Basic {SECRET}"}, "no_proof"),
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
        # A wrong signature is not made good by the right secret beside it.
        (lambda: {**signed(BODY, secret="another"), **SHARED}, "wrong_signature"),
        (lambda: standard(BODY, secret="another"), "wrong_signature"),
        (lambda: standard(BODY, at=shifted(-310)), "wrong_time"),
        (lambda: {"webhook-signature": standard(BODY)["webhook-signature"]}, "no_timestamp"),
    ],
)
def test_nobody_else_is_believed(receiver: Receiver, module_database: Database, make: Make, reason: str) -> None:
    """401 with the reason, and nothing is written."""
    answer = receiver.post(BODY, make())
    assert (answer.status_code, answer.json()["error"]) == (401, reason)
    assert inbox(module_database) == []


@pytest.mark.parametrize("sign", [signed, standard], ids=["signed", "standard"])
def test_a_replay_is_refused(
    receiver: Receiver, module_database: Database, sign: Callable[[bytes], dict[str, str]]
) -> None:
    """The same signature a second time is 401, also after the inbox was emptied."""
    headers = sign(BODY)
    assert receiver.post(BODY, headers).status_code == 202
    with module_database.connection() as connection:
        connection.execute("TRUNCATE copilot_ops.inbox")
    answer = receiver.post(BODY, headers)
    assert (answer.status_code, answer.json()["error"]) == (401, "replayed")
    assert inbox(module_database) == []


def test_a_replay_in_another_spelling_is_refused(receiver: Receiver) -> None:
    """The same digest in upper case, in the combined form or at the other endpoint is the same signature."""
    headers = signed(BODY)
    moment, mark = headers["x-webhook-timestamp"], headers["x-webhook-signature"]
    assert receiver.post(BODY, headers).status_code == 202
    for spelled in ({**headers, "x-webhook-signature": mark.upper()}, {"x-webhook-signature": f"t={moment},v1={mark}"}):
        assert receiver.post(BODY, spelled).json()["error"] == "replayed"


def test_a_redelivery_is_known_by_its_id(receiver: Receiver, module_database: Database) -> None:
    """Standard Webhooks signs a retry anew under the same id: 200, and nothing is written twice."""
    first, second = standard(BODY, name="msg_1"), standard(BODY, name="msg_1", at=str(int(now()) - 5))
    assert receiver.post(BODY, first).status_code == 202
    answer = receiver.post(BODY, second)
    assert (answer.status_code, answer.json()["status"]) == (200, "duplicate")
    assert inbox(module_database) == [("call", "c1", 1)]


def test_one_delivery_id_for_everything_loses_nothing(receiver: Receiver, module_database: Database) -> None:
    """A sender that gives all its webhooks the same id is still heard: a duplicate has the same body too."""
    for subject in ("c1", "c2"):
        body = json.dumps({"call_id": subject}).encode()
        assert receiver.post(body, standard(body, name="constant")).status_code == 202
    assert [row[1] for row in inbox(module_database)] == ["c1", "c2"]


@pytest.mark.parametrize("plain", [False, True], ids=["timestamp", "plain"])
def test_semarize_enters_by_its_own_door(receiver: Receiver, module_database: Database, plain: bool) -> None:
    """A terminal run is a row of kind run; delivered again it is a duplicate; replayed under another id, refused."""
    body = b'{"event": "run.succeeded", "data": {"run_id": "run_8f3a0c11", "status": "succeeded"}}'
    headers = semarize(body, plain=plain)
    answers = [
        receiver.post(body, headers, endpoint="semarize"),
        receiver.post(body, headers, endpoint="semarize"),
        receiver.post(body, {**headers, "semarize-delivery-id": "other"}, endpoint="semarize"),
    ]
    assert [answer.status_code for answer in answers] == [202, 200, 401]
    assert inbox(module_database) == [("run", "run_8f3a0c11", 1)]


def test_the_secret_of_one_door_does_not_open_the_other(receiver: Receiver) -> None:
    """Each endpoint has its own secret where two are set."""
    assert receiver.post(b'{"run_id": "r1"}', SHARED, endpoint="semarize").status_code == 401
    assert receiver.post(BODY, semarize(BODY)).status_code == 401


def test_two_secrets_hold_while_one_is_replaced(database: Database) -> None:
    """With an old and a new secret both are believed, for either way to prove it."""
    new, old = "the-new-secret-of-the-tests", "the-old-secret-of-the-tests"
    with running(database.url, secret=f"{new} {old}") as receiver:
        for secret in (new, old):
            assert receiver.post(BODY, {"x-webhook-secret": secret}).status_code == 202
            assert receiver.post(BODY, signed(BODY, secret=secret)).status_code == 202
        assert receiver.post(BODY, {"x-webhook-secret": f"{new} {old}"}).status_code == 401


def test_a_flood_is_held_back_and_strangers_do_not_use_up_the_share(database: Database) -> None:
    """Past the burst 429 with Retry-After; those who know the secret have a bucket of their own."""
    with running(database.url, requests_per_second=0.5) as receiver:  # a burst of five
        strangers = [receiver.post(BODY, {"x-webhook-secret": "no"}) for _ in range(8)]
        assert [answer.status_code for answer in strangers] == [401] * 5 + [429] * 3
        assert int(strangers[-1].headers["retry-after"]) >= 1
        known = [receiver.post(BODY, SHARED).status_code for _ in range(8)]
        assert known == [202] * 5 + [429] * 3


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
        ("GET", "/healthz", 200),
    ],
)
def test_only_the_doors_are_served(receiver: Receiver, method: str, path: str, status: int) -> None:
    """Other methods are 405, other paths 404."""
    assert receiver.client.request(method, receiver.address + path, headers=SHARED).status_code == status


def test_the_same_call_waits_once(receiver: Receiver, module_database: Database) -> None:
    """Announced thrice while it waits, a call is one row that says so."""
    assert [receiver.post(BODY, SHARED).status_code for _ in range(3)] == [202] * 3
    assert inbox(module_database) == [("call", "c1", 3)]
