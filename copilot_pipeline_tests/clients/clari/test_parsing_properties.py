"""Properties of parsing that hold for any body."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from copilot_pipeline.clients.clari.dialect import Dialect
from copilot_pipeline.clients.clari.dialects import dialect_named
from copilot_pipeline.clients.clari.models import CallRecord
from copilot_pipeline.errors import UnreadableBody
from copilot_pipeline_tests.clients.clari.servers import DAY, server_of

MARK = "zqsecretqz"

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.text(st.characters(), max_size=5)
    | st.sampled_from(["2026-03-01T00:00:00Z", "NaN", "", "0001-01-01T00:00:00+14:00", "\ud800", MARK, "1e999"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


def whole_call(dialect: str) -> dict[str, Any]:
    """A valid call of the dialect with all fields."""
    server = server_of(dialect)
    server.add("c-1", DAY)
    call: dict[str, Any] = server.calls[0]
    call.setdefault("transcript", [{"text": "Hello", "start": 1.0, "end": 2.0, "personId": 0}])
    call["summary"] = {"full_summary": "Short.", "topics_discussed": [{"name": "Price"}], "key_takeaways": ["One"]}
    call["deal_close_date"] = "2026-05-29T00:00:00.000Z"
    return call


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of a nested value."""
    result = [path]
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        result += places(child, (*path, key))
    return result


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """The value with another one at a path."""
    if not path:
        return new
    if isinstance(value, dict):
        return {key: replaced(child, path[1:], new) if key == path[0] else child for key, child in value.items()}
    return [replaced(child, path[1:], new) if index == path[0] else child for index, child in enumerate(value)]


def quotes_nothing(error: UnreadableBody) -> bool:
    """Whether the message is a path and a type, without content of the body."""
    return MARK not in str(error) and str(error).startswith("$")


def check(dialect: Dialect, listed: bytes | None, details: bytes | None, *, newer: bool = False) -> None:
    """Assert that parsing gives a valid record, or `UnreadableBody` without content."""
    try:
        record = dialect.parse_call(listed, details, listed_is_newer=newer)
    except UnreadableBody as unreadable:
        error = unreadable
    else:
        assert_clean(record)
        return
    assert quotes_nothing(error)


def assert_clean(record: CallRecord) -> None:
    """Assert that a record can be stored: UTF-8 without NUL, finite numbers, aware times, each person once."""
    written = json.dumps(asdict(record), default=str, ensure_ascii=False, allow_nan=False)
    written.encode("utf-8")
    assert "\\u0000" not in written.replace("\\\\", "")
    assert record.started_at.utcoffset() is not None
    assert len({person.person_id for person in record.people}) == len(record.people)


@pytest.mark.parametrize("dialect", ["rest", "guide"])
@given(body=anything | st.builds(lambda call: {"call": call}, anything))
def test_any_json_parses_or_is_unreadable(dialect: str, body: Any) -> None:
    """No JSON value raises an error other than `UnreadableBody`."""
    check(dialect_named(dialect), None, json.dumps(body).encode())


@pytest.mark.parametrize("dialect", ["rest", "guide"])
@given(body=st.binary(max_size=60))
def test_any_bytes_parse_or_are_unreadable(dialect: str, body: bytes) -> None:
    """No bytes raise an error other than `UnreadableBody`."""
    check(dialect_named(dialect), None, body)
    check(dialect_named(dialect), body, b'{"call": {}}')


@pytest.mark.parametrize("dialect", ["rest", "guide"])
@settings(max_examples=300)
@given(data=st.data())
def test_a_call_with_one_arbitrary_value_parses_or_is_unreadable(dialect: str, data: st.DataObject) -> None:
    """Any value may replace any value of a valid call, in the list item, the details, or both."""
    call = whole_call(dialect)
    strange = [
        json.dumps(replaced(call, data.draw(st.sampled_from(places(call))), data.draw(anything))) for _ in range(2)
    ]
    listed, details = strange[0].encode(), b'{"call":' + strange[1].encode() + b"}"
    spoken = dialect_named(dialect)
    check(spoken, None, details)
    check(spoken, listed, None)
    check(spoken, listed, details, newer=data.draw(st.booleans()))
    spoken.readable_id(listed)
    try:
        item = spoken.read_item(listed)
    except UnreadableBody as unreadable:
        refusal = unreadable
    else:
        assert item.call_id == spoken.readable_id(listed)
        return
    assert quotes_nothing(refusal)


@pytest.mark.parametrize("dialect", ["rest", "guide"])
@given(items=st.lists(anything, max_size=4))
def test_splitting_a_page_keeps_the_content_of_its_items(dialect: str, items: list[Any]) -> None:
    """No item is lost or changed, even if only the lenient decoder can parse it."""
    page = dialect_named(dialect).read_page(json.dumps({"calls": items}).encode())
    assert json.dumps([json.loads(item) for item in page.items]) == json.dumps(items)


@given(listed=st.dictionaries(st.sampled_from(["title", "deal_name", "type"]), st.text("ab", min_size=1, max_size=3)))
def test_a_newer_list_item_decides_every_list_field(listed: dict[str, str]) -> None:
    """Whatever fields a newer item has or lacks, the record has the values of the item."""
    call = {"id": "c-1", "time": "2026-03-01T00:00:00Z"}
    details = {**call, "title": "old", "deal_name": "old", "type": "old", "transcript": [{"text": "Hello"}]}
    record = dialect_named("rest").parse_call(
        json.dumps({**call, **listed}).encode(), json.dumps({"call": details}).encode(), listed_is_newer=True
    )
    assert (record.title, record.crm.deal_name, record.call_type) == (
        listed.get("title"),
        listed.get("deal_name"),
        listed.get("type"),
    )
    assert len(record.segments) == 1
