"""Conditions: whether a rule applies to a scored call."""

from __future__ import annotations

from copilot_pipeline.config.bricks import BrickRef
from copilot_pipeline.config.conditions import ConditionSettings, evaluate
from copilot_pipeline.marts.model import ScoredCall, Value


def applies(condition: ConditionSettings | None, call: ScoredCall) -> bool:
    """Whether the condition is known to be true of the call. No condition is true of every call."""
    return condition is None or evaluate(condition, lambda brick: answer_to(brick, call)) is True


def answer_to(brick: BrickRef, call: ScoredCall) -> Value:
    """The value of a brick, None if it has none."""
    answer = call.bricks.get(brick.key)
    return answer.value if answer else None
