"""Conditions are true only of known values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copilot_pipeline.config import conditions as truth
from copilot_pipeline.config.conditions import ConditionSettings, Truth, compare
from copilot_pipeline.delivery.conditions import applies, brick_value
from copilot_pipeline.marts.model import ScoredCall
from copilot_pipeline_tests.delivery.examples import KIT, scored


def evaluate(condition: ConditionSettings, call: ScoredCall) -> Truth:
    """The condition's truth for a call."""
    return truth.evaluate(condition, lambda reference: brick_value(reference, call))


def condition(content: dict[str, Any]) -> ConditionSettings:
    """A condition as pipeline.yaml has it."""
    return ConditionSettings.model_validate(content)


@pytest.mark.parametrize(
    ("comparison", "value", "expected"),
    [
        ({"is": True}, True, True),
        ({"is": True}, False, False),
        ({"is": True}, None, False),
        ({"is": True}, 1.0, False),
        ({"is": 1}, True, False),
        ({"is": 1}, 1.0, True),
        ({"is": "price"}, "price", True),
        ({"is_not": "price"}, "timing", True),
        ({"is_not": "price"}, None, False),
        ({"is_not": True}, "yes", False),
        ({"above": 60}, 60.0, False),
        ({"above": 60}, 60.1, True),
        ({"at_least": 60}, 60.0, True),
        ({"below": 0.6}, 0.0, True),
        ({"below": 0.6}, None, False),
        ({"below": 1}, False, False),
        ({"at_most": 0.6}, 0.6, True),
        ({"above": 1}, "2", False),
        ({"contains": "Globex"}, ["Initech", "Globex"], True),
        ({"contains": "Globe"}, ["Globex"], False),
        ({"contains": "Globe"}, "Globex", True),
        ({"one_of": ["price", "timing"]}, "timing", True),
        ({"one_of": [1, 2]}, True, False),
    ],
)
def test_comparisons_are_false_for_values_of_another_type(
    comparison: dict[str, Any], value: Any, expected: bool
) -> None:
    """True is not 1, a text is not a number, and null equals nothing."""
    assert applies(condition({"brick": f"{KIT}.b", **comparison}), scored({"b": value})) is expected


def test_conditions_on_a_missing_brick_are_false() -> None:
    """Neither a comparison nor its negation is true if the brick has no value."""
    one_brick = {"brick": f"{KIT}.b", "is": True}
    assert not applies(condition(one_brick), scored())
    assert not applies(condition({"not": one_brick}), scored())
    assert applies(condition({"any": [one_brick, {"not": {"brick": f"{KIT}.c", "is": True}}]}), scored({"c": False}))


VALUES = st.one_of(
    st.none(), st.booleans(), st.floats(allow_nan=False), st.text(max_size=3), st.lists(st.text(max_size=2))
)
NAMES = st.sampled_from("abc")
COMPARISONS = st.one_of(
    st.builds(lambda name, value: {"brick": f"{KIT}.{name}", "is": value}, NAMES, st.booleans()),
    st.builds(lambda name, value: {"brick": f"{KIT}.{name}", "above": value}, NAMES, st.integers(-3, 3)),
    st.builds(lambda name, value: {"brick": f"{KIT}.{name}", "contains": value}, NAMES, st.text(max_size=2)),
)
CONDITIONS = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.builds(lambda parts: {"all": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda parts: {"any": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda part: {"not": part}, inner),
    ),
    max_leaves=8,
)


@given(CONDITIONS)
def test_conditions_are_unknown_for_a_call_without_answers(content: dict[str, Any]) -> None:
    """For every combination of conditions."""
    assert evaluate(condition(content), scored({"a": None})) is None


@given(CONDITIONS, st.dictionaries(NAMES, VALUES))
def test_not_inverts_true_and_false_and_keeps_unknown(content: dict[str, Any], bricks: dict[str, Any]) -> None:
    """A double negation changes nothing."""
    call = scored(bricks)
    truth = evaluate(condition(content), call)
    assert evaluate(condition({"not": content}), call) is (None if truth is None else not truth)
    assert evaluate(condition({"not": {"not": content}}), call) is truth


@given(CONDITIONS, st.dictionaries(NAMES, VALUES), NAMES, VALUES)
def test_an_additional_answer_never_changes_a_known_result(
    content: dict[str, Any], bricks: dict[str, Any], name: str, value: Any
) -> None:
    """It may only turn unknown into true or false."""
    before = evaluate(condition(content), scored({**bricks, name: None}))
    after = evaluate(condition(content), scored({**bricks, name: value}))
    assert before is None or before is after


@given(VALUES, st.floats(allow_nan=False, allow_infinity=False))
def test_exactly_one_of_above_and_at_most_is_true_of_a_number(value: Any, operand: float) -> None:
    """Neither is true of any other value."""
    result = {compare("above", value, operand), compare("at_most", value, operand)}
    is_number = isinstance(value, float)
    assert result == ({True, False} if is_number else {None})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"brick": "k.b"}, "needs one comparison"),
        ({"is": True}, "needs `brick`"),
        ({"brick": "k.b", "is": True, "above": 3}, "needs one comparison"),
        ({"brick": "k.b", "is": None}, "`is` compares with nothing"),
        ({"all": [], "brick": "k.b"}, "at least 1 item"),
        ({"all": [{"brick": "k.b", "is": True}], "any": [{"brick": "k.b", "is": True}]}, "several conditions"),
        ({"brick": "k.b", "above": "3"}, "valid number"),
        ({"brick": "k.b", "equals": 3}, "Extra inputs"),
    ],
)
def test_rejects_an_incomplete_condition(content: dict[str, Any], message: str) -> None:
    """The error names what is missing."""
    with pytest.raises(ValueError, match=message):
        condition(content)


def test_and_and_or_are_aliases_of_all_and_any() -> None:
    """`and` equals `all`, `or` equals `any`."""
    one_brick = {"brick": f"{KIT}.a", "is": True}
    assert condition({"and": [one_brick]}) == condition({"all": [one_brick]})
    assert condition({"or": [one_brick]}) == condition({"any": [one_brick]})
