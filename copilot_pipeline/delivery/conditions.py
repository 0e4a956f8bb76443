"""Conditions: whether a rule applies to a scored call."""

from __future__ import annotations

from copilot_pipeline.config.conditions import evaluate
from copilot_pipeline.config.routes import ConditionSettings, kit_and_brick
from copilot_pipeline.marts.model import ScoredCall, Value


def applies(condition: ConditionSettings | None, call: ScoredCall) -> bool:
    """Whether the condition is known to be true of the call. No condition is true of every call."""
    return condition is None or evaluate(condition, lambda reference: answer_to(reference, call)) is True


def answer_to(reference: str, call: ScoredCall) -> Value:
    """The value of `kit.brick`; None where there is none."""
    parts = kit_and_brick(reference)
    answer = call.bricks.get((parts[0], parts[1])) if parts else None
    return answer.value if answer else None
