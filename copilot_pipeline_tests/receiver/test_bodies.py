"""Which bodies are accepted, and how others are rejected."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copilot_pipeline.receiver.errors import RequestRejected
from copilot_pipeline.receiver.ids import MAX_IDS, ids_in
from copilot_pipeline.receiver.payload import decode

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"call_id": "c1"}, ["c1"]),
        ({"callId": "c1"}, ["c1"]),
        ({"id": "c1"}, ["c1"]),
        ({"call": {"id": "c1"}}, ["c1"]),
        ({"call": {"call_id": "c1"}}, ["c1"]),
        ({"call": "c1"}, ["c1"]),
        ({"data": {"call_id": "c1"}}, ["c1"]),
        ({"data": {"callId": "c1"}}, ["c1"]),
        ({"data": {"id": "c1"}}, ["c1"]),
        ({"data": {"call": {"id": "c1"}}}, ["c1"]),
        ({"call_id": 123}, ["123"]),
        ({"call_id": " c1 "}, ["c1"]),
        # The id of an event is not that of the call.
        ({"id": "evt_1", "type": "call.processed", "data": {"call_id": "c1"}}, ["c1"]),
        ({"id": "evt_1", "data": {"id": "c1"}}, ["c1"]),
        ({"id": "evt_1", "call": {"id": "c1"}}, ["c1"]),
        # An object without an id does not hide an id beside it.
        ({"id": "c1", "data": {}}, ["c1"]),
        ({"id": "c1", "data": None, "call": None, "call_id": None}, ["c1"]),
        ({"id": "c1", "data": "text"}, ["c1"]),
        # Several.
        (["c1", "c2"], ["c1", "c2"]),
        ([{"call_id": "c1"}, {"id": "c2"}], ["c1", "c2"]),
        ({"call_ids": ["c1", "c2", "c1"]}, ["c1", "c2"]),
        ({"ids": ["c1"]}, ["c1"]),
        ({"data": [{"id": "c1"}, {"id": "c2"}]}, ["c1", "c2"]),
        ({"calls": [{"id": "c1"}, "c2"]}, ["c1", "c2"]),
    ],
)
def test_finds_call_ids_in_every_documented_shape(payload: Any, expected: list[str]) -> None:
    """Objects, nested objects and lists of them."""
    assert list(ids_in("call", decode(JSON, json.dumps(payload).encode()))) == expected


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"run_id": "run_1", "status": "succeeded"}, ["run_1"]),
        ({"id": "evt_1", "data": {"run_id": "run_1"}}, ["run_1"]),
        ({"id": "evt_1", "data": {"run": {"id": "run_1"}}}, ["run_1"]),
        ({"run": {"run_id": "run_1"}}, ["run_1"]),
        ({"data": {"id": "run_1"}}, ["run_1"]),
    ],
)
def test_finds_run_ids_in_likely_shapes(payload: Any, expected: list[str]) -> None:
    """Semarize does not publish its payload."""
    assert list(ids_in("run", payload)) == expected


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("call_id=c1", ["c1"]),
        ("call_id=c1&title=What+a+call", ["c1"]),
        ("data[call_id]=c1&id=evt", ["c1"]),
        ("data.call_id=c1", ["c1"]),
        ("data__call_id=c1", ["c1"]),
        ("call%5Bid%5D=c1", ["c1"]),
        ("call_id=c1&call_id=c2", ["c1", "c2"]),
        ('{"call_id": "c1"}', ["c1"]),
    ],
)
def test_reads_forms(form: str, expected: list[str]) -> None:
    """Zapier sends forms by default, and curl labels every body as a form."""
    assert list(ids_in("call", decode(f"{FORM}; charset=utf-8", form.encode()))) == expected


@pytest.mark.parametrize(
    ("media_type", "body", "status", "code"),
    [
        (JSON, b"", 400, "empty"),
        (JSON, b" \n", 400, "empty"),
        (JSON, b"{", 400, "not_json"),
        (JSON, b'{"call_id": "c1"} {}', 400, "not_json"),
        (JSON, b'{"call_id": "c1", "n": NaN}', 400, "not_json"),
        (JSON, b'{"call_id": ' + b"1" * 5000 + b"}", 400, "not_json"),
        (JSON, b'{"call_id": ' + b"1" * 250 + b"}", 400, "bad_id"),
        (JSON, b'{"call_id": "c1", "call_id": "c2"}', 400, "duplicate_key"),
        (JSON, b'{"call_id": "\xff"}', 400, "not_utf8"),
        (JSON, b"\xff\xfe{\x00}\x00", 400, "not_utf8"),
        (JSON, b"[" * 100_000, 400, "too_deep"),
        (JSON, b'{"a":' * 50_000, 400, "too_deep"),
        (JSON, b"[" * 600 + b"]" * 600, 400, "no_id"),
        (JSON, b'"c1"', 400, "no_id"),
        (JSON, b"null", 400, "no_id"),
        (JSON, b"{}", 400, "no_id"),
        (JSON, b"[]", 400, "no_id"),
        (JSON, b'[{"call_id": "c1"}, {}]', 400, "no_id"),
        (JSON, b'{"call_id": ""}', 400, "bad_id"),
        (JSON, b'{"call_id": "a\\u0000b"}', 400, "bad_id"),
        (JSON, b'{"call_id": "\\ud800"}', 400, "bad_id"),
        (JSON, b'{"call_id": "../users"}', 400, "bad_id"),
        (JSON, b'{"call_id": "a b"}', 400, "bad_id"),
        (JSON, b'{"call_id": "c1\\nc2"}', 400, "bad_id"),
        (JSON, b'{"call_id": true}', 400, "bad_id"),
        (JSON, b'{"call_id": 1.5}', 400, "bad_id"),
        (JSON, b'{"call_id": {"x": 1}}', 400, "bad_id"),
        (JSON, b'{"call_id": [["c1"]]}', 400, "bad_id"),
        (JSON, json.dumps({"call_id": "x" * 201}).encode(), 400, "bad_id"),
        (JSON, json.dumps([str(n) for n in range(MAX_IDS + 1)]).encode(), 400, "too_many_ids"),
        (FORM, b"call_id=%FF", 400, "not_a_form"),
        (FORM, b"call_id=a%00b", 400, "bad_id"),
        (FORM, b"&".join(b"a=1" for _ in range(2000)), 400, "not_a_form"),
        (FORM, b"title=no+id", 400, "no_id"),
        (FORM, b"data=1&data.call_id=c1&data.x.y=2", 400, "no_id"),
        ("multipart/form-data; boundary=x", b"--x", 415, "wrong_media_type"),
        ("application/xml", b"<call_id>c1</call_id>", 415, "wrong_media_type"),
    ],
)
def test_rejects_other_bodies_with_a_reason(media_type: str, body: bytes, status: int, code: str) -> None:
    """The response has a status and a code for each reason."""
    with pytest.raises(RequestRejected) as caught:
        ids_in("call", decode(media_type, body))
    assert (caught.value.status, caught.value.code) == (status, code)


def test_accepts_lists_and_ids_of_maximum_length() -> None:
    """The limits are inclusive."""
    assert len(ids_in("call", [str(number) for number in range(MAX_IDS)])) == MAX_IDS
    assert ids_in("call", {"call_id": "x" * 200}) == ("x" * 200,)


ids = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._:~=+@-]{0,199}", fullmatch=True)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["id", "ids", "call", "data", "call_id", "run", "x"]), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(ids, st.dictionaries(st.text(min_size=1).filter(lambda key: not key.startswith("call")), plain, max_size=4))
def test_ignores_everything_beside_the_id(subject: str, beside: dict[str, Any]) -> None:
    """Other keys of the payload do not change the result."""
    body = json.dumps({**beside, "call_id": subject}).encode()
    assert ids_in("call", decode(JSON, body)) == (subject,)


def ids_or_reason(kind: Any, media_type: str | None, body: bytes) -> tuple[str, ...] | int:
    """The ids in a body, or the status of the rejection; any other error fails the test."""
    try:
        return ids_in(kind, decode(media_type, body))
    except RequestRejected as rejection:
        return rejection.status


@given(plain, st.sampled_from(["call", "run"]))
def test_accepts_or_rejects_any_json_value(payload: Any, kind: Any) -> None:
    """The result is valid ids or a 400, and never another error."""
    result = ids_or_reason(kind, JSON, json.dumps(payload).encode())
    if isinstance(result, tuple):
        assert result
        assert all(0 < len(subject) <= 200 and subject.isascii() for subject in result)
    else:
        assert result == 400


@given(st.binary(max_size=200), st.sampled_from([None, JSON, FORM, "text/plain", "application/vnd.x+json"]))
def test_accepts_or_rejects_any_bytes(body: bytes, media_type: str | None) -> None:
    """Neither parser raises another error."""
    result = ids_or_reason("call", media_type, body)
    assert isinstance(result, tuple) or result == 400
