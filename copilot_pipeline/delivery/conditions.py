"""Conditions: whether a route applies to a scored call."""

from __future__ import annotations

from copilot_pipeline.config.bricks import BrickRef
from copilot_pipeline.config.conditions import ConditionSettings, evaluate
from copilot_pipeline.marts.model import ScoredCall, Value


def applies(condition: ConditionSettings | None, call: ScoredCall) -> bool:
    """Return whether the condition is true of the call.

    An absent condition is true of every call.

    If a brick has no value, every condition on it is false, including `not`.
    """
    return condition is None or evaluate(condition, lambda brick: brick_value(brick, call)) is True


def brick_value(brick: BrickRef, call: ScoredCall) -> Value:
    """Return the value of a brick, or None if it has none."""
    return call.value_of(brick.key)
