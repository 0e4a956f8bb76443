"""Parsing scores: one column per value, null is never a number, and no text can lose a paid run."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copilot_pipeline.clients.semarize import ParsedRun, Score, parse_scores
from copilot_pipeline.errors import UnreadableBody


def answer(bricks: Any) -> bytes:
    """A succeeded run."""
    return json.dumps({"run_id": "run_1", "output": {"kit_code": "A1B2C3D4", "bricks": bricks}}).encode()


def only(brick: Any) -> Score:
    """The score of one brick."""
    parsed = parse_scores(answer({"brick": brick}))
    assert parsed.unreadable == ()
    (score,) = parsed.scores
    return score


def columns(score: Score) -> tuple[Any, ...]:
    """The value columns, as (kind, bool, num, text, json)."""
    return score.value_kind, score.value_bool, score.value_num, score.value_text, score.value_json


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, ("bool", True, None, None, None)),
        (False, ("bool", False, None, None, None)),
        (0, ("num", None, 0.0, None, None)),
        (1, ("num", None, 1.0, None, None)),
        (0.62, ("num", None, 0.62, None, None)),
        (-3, ("num", None, -3.0, None, None)),
        ("price", ("text", None, None, "price", None)),
        ("", ("text", None, None, "", None)),
        ("true", ("text", None, None, "true", None)),
        ("42", ("text", None, None, "42", None)),
        (["Globex"], ("json", None, None, None, '["Globex"]')),
        ([], ("json", None, None, None, "[]")),
        ({"a": None}, ("json", None, None, None, '{"a": null}')),
        (None, ("null", None, None, None, None)),
    ],
)
def test_stores_each_value_in_the_column_of_its_type(value: Any, expected: tuple[Any, ...]) -> None:
    """Null is null, not 0, not false, not the empty text."""
    assert columns(only({"value": value})) == expected


def test_a_missing_value_is_null() -> None:
    """A brick without a value keeps its other fields."""
    assert columns(only({})) == ("null", None, None, None, None)
    score = only({"confidence": 0.3, "reason": "Not stated."})
    assert columns(score) == ("null", None, None, None, None)
    assert (score.confidence, score.reason, score.evidence) == (0.3, "Not stated.", ())


@pytest.mark.parametrize("brick", [{"value": 5}, 5], ids=["object", "bare"])
def test_missing_fields_are_null(brick: Any) -> None:
    """Fields can be switched off per brick."""
    score = only(brick)
    assert (score.value_num, score.confidence, score.reason, score.evidence) == (5.0, None, None, ())


def test_an_object_without_known_fields_is_the_value() -> None:
    """A brick that is not an envelope is stored as a whole."""
    assert columns(only({"amount": 3})) == ("json", None, None, None, '{"amount": 3}')


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        (["one", "two"], ("one", "two")),
        ("one", ("one",)),
        (["one", None, "", "two"], ("one", "two")),
        ([{"quote": "one", "at": 3}], ('{"quote": "one", "at": 3}',)),
        ({"quote": "one"}, ('{"quote": "one"}',)),
        ([7], ("7",)),
        ([], ()),
        ("", ()),
        (None, ()),
    ],
)
def test_parses_evidence_from_a_list_or_a_text(evidence: Any, expected: tuple[str, ...]) -> None:
    """Both documented forms give quotes; other forms are kept as JSON, null gives none."""
    assert only({"value": True, "evidence": evidence}).evidence == expected


@pytest.mark.parametrize("confidence", ["0.9", True, None, [], float("nan")])
def test_a_confidence_that_is_not_a_number_is_none(confidence: Any) -> None:
    """A boolean is not a number."""
    assert only({"value": 1, "confidence": confidence}).confidence is None


@pytest.mark.parametrize(
    ("literal", "shown"), [("NaN", "NaN"), ("-Infinity", "-Infinity"), ("1e400", "inf"), ("1" + "0" * 400, None)]
)
def test_a_number_that_fits_no_column_is_text(literal: str, shown: str | None) -> None:
    """NaN, infinities and numbers beyond a double stay readable and do not fail the day."""
    score = parse_scores(answer({"brick": {"value": 0}}).replace(b'"value": 0', f'"value": {literal}'.encode())).scores[
        0
    ]
    assert score.value_kind == "text"
    assert score.value_text == (shown or literal)


def test_a_list_with_such_numbers_is_valid_json() -> None:
    """PostgreSQL refuses NaN and Infinity in JSON, so they are stored as text."""
    body = answer({"brick": [0]}).replace(b"[0]", b"[NaN, 1e400, 5]")
    stored = parse_scores(body).scores[0].value_json
    assert stored is not None
    assert json.loads(stored, parse_constant=pytest.fail) == ["NaN", "inf", 5]


def test_parses_bricks_from_a_list() -> None:
    """Bricks are named by `key` or `name`; one without either is reported, the others are kept."""
    parsed = parse_scores(answer([{"key": "a", "value": 1}, {"name": "b", "value": 2}, {"value": 3}, 4, {"key": 5}]))
    assert [score.brick for score in parsed.scores] == ["a", "b"]
    assert parsed.unreadable == (("?", "a brick without a key"),) * 3


def test_a_duplicate_brick_is_reported() -> None:
    """The table has one row per brick: the first result is kept."""
    parsed = parse_scores(answer([{"key": "a", "value": 1}, {"key": "a", "value": 2}]))
    assert [(score.brick, score.value_num) for score in parsed.scores] == [("a", 1.0)]
    assert [brick for brick, _ in parsed.unreadable] == ["a"]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'{"kit_version_id": "v"}', "the run has no output"),
        (b'{"output": null}', "the run has no output"),
        (b'{"output": {}}', "the output has no bricks"),
        (b'{"output": {"bricks": null}}', "the output has no bricks"),
    ],
)
def test_a_run_without_bricks_is_reported(body: bytes, problem: str) -> None:
    """A succeeded run without output is not a kit without bricks."""
    parsed = parse_scores(body)
    assert parsed.scores == ()
    assert parsed.unreadable == (("*", problem),)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"", r"^\$: not JSON$"),
        (b"<html>Lee said no</html>", r"^\$: not JSON$"),
        (b"[]", r"^\$: expected an object$"),
        (b'{"output": "Lee said no"}', r"^\$\.output: expected an object$"),
        (b'{"output": {"bricks": "Lee said no"}}', r"^\$\.output\.bricks: expected an object or a list$"),
        (b'{"output": {"bricks": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}", r"^\$: nested too deeply$"),
        (b'{"output": {"bricks": {"a": ' + b"[" * 700 + b"]" * 700 + b"}}}", r"^\$: nested too deeply$"),
        (b'{"value": ' + b"9" * 5000 + b"}", r"^\$: not JSON$"),
    ],
)
def test_errors_name_the_path_without_content(body: bytes, place: str) -> None:
    """The message contains no content of the body."""
    with pytest.raises(UnreadableBody, match=place):
        parse_scores(body)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b'"a\\u0000b"', "a\ufffdb"),
        (b'"a\\ud83db"', "a\ufffdb"),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'"a\xffb"', "a\ufffdb"),
        (b'"a\x01\tb"', "a\x01\tb"),
    ],
    ids=["NUL", "half a pair", "a whole pair", "no UTF-8", "bare control characters"],
)
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_replaces_invalid_text(sent: bytes, kept: str, bom: bytes) -> None:
    """Text that cannot be stored in a quote, reason, value or key becomes U+FFFD; everything else stays."""
    body = b'{"output": {"bricks": {KEY: {"value": KEY, "reason": KEY, "evidence": [KEY]}}}}'.replace(b"KEY", sent)
    (score,) = parse_scores(bom + body).scores
    assert (score.brick, score.value_text, score.reason, score.evidence) == (kept, kept, kept, (kept,))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters()), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["value", "confidence", "reason", "evidence", "key", "name", "other"])
BRICKS = st.dictionaries(FIELDS, JSON) | JSON
OUTPUTS = st.fixed_dictionaries(
    {},
    optional={
        "kit_code": JSON,
        "bricks": st.dictionaries(st.text(st.characters()), BRICKS, max_size=4) | st.lists(BRICKS, max_size=4) | JSON,
    },
)


def parsed_or_none(body: bytes) -> ParsedRun | None:
    """The parsed run, None if the body is unreadable."""
    try:
        return parse_scores(body)
    except UnreadableBody:
        return None


@given(st.fixed_dictionaries({"output": OUTPUTS | JSON, "kit_version_id": JSON}))
def test_any_output_gives_valid_scores(value: Any) -> None:
    """At most one value column is set, the one of its type; bricks are unique; everything can be stored."""
    parsed = parsed_or_none(json.dumps(value).encode())
    if parsed is None:
        return
    assert len({score.brick for score in parsed.scores}) == len(parsed.scores)
    for score in parsed.scores:
        kinds = {
            kind: column
            for kind, column in zip(("bool", "num", "text", "json"), columns(score)[1:], strict=True)
            if column is not None
        }
        assert set(kinds) == ({score.value_kind} - {"null"})
        numbers = [number for number in (score.value_num, score.confidence) if number is not None]
        assert all(math.isfinite(number) for number in numbers)
        texts = [score.brick, score.value_text, score.value_json, score.reason, *score.evidence]
        for text in filter(None, texts):
            assert "\x00" not in text
            text.encode("utf-8")
        if score.value_json is not None:
            json.loads(score.value_json, parse_constant=pytest.fail)


@given(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False))
)
def test_the_value_columns_are_lossless(value: Any) -> None:
    """The value that was sent can be restored exactly from the four columns."""
    score = only({"value": value})
    sent = next((column for column in columns(score)[1:] if column is not None), None)
    assert sent == value
    assert isinstance(sent, bool) == isinstance(value, bool)
    assert (sent is None) == (value is None)


@given(st.binary())
def test_any_bytes_parse_or_are_unreadable(body: bytes) -> None:
    """No bytes raise an error other than `UnreadableBody`."""
    parsed_or_none(body)
