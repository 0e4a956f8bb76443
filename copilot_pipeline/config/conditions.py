"""Whether a condition of pipeline.yaml is true.

Three-valued, as in SQL: what is missing or null is neither true nor false. So `not: {brick: k.b, is: true}` is not true
either where the brick has no answer: nothing follows from ignorance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from copilot_pipeline.config.routes import OPERATORS, ConditionSettings

Truth = bool | None


def evaluate(condition: ConditionSettings, value_of: Callable[[str], Any]) -> Truth:
    """True, false, or None where a missing answer leaves it open (Kleene's logic).

    `value_of` gives the value of `kit.brick`, None where there is none.
    """
    if condition.all_ is not None:
        return _all(evaluate(inner, value_of) for inner in condition.all_)
    if condition.any_ is not None:
        return _negated(_all(_negated(evaluate(inner, value_of)) for inner in condition.any_))
    if condition.not_ is not None:
        return _negated(evaluate(condition.not_, value_of))
    operator = next(name for name in OPERATORS if condition.operand(name) is not None)
    return compare(operator, value_of(condition.brick or ""), condition.operand(operator))


def compare(operator: str, value: Any, operand: Any) -> Truth:
    """One comparison. A value of another kind than the operand cannot be compared: None, as for a missing one."""
    if value is None:
        return None
    return _COMPARISONS[operator](value, operand)


def _all(truths: Iterable[Truth]) -> Truth:
    found = list(truths)
    return False if False in found else None if None in found else True


def _negated(truth: Truth) -> Truth:
    return None if truth is None else not truth


def _equal(value: Any, operand: Any) -> Truth:
    # To Python True is 1: a yes/no brick is not a score of 1.
    if isinstance(value, bool) or isinstance(operand, bool):
        return value is operand if isinstance(value, bool) and isinstance(operand, bool) else None
    if isinstance(value, int | float) and isinstance(operand, int | float):
        return value == operand
    return value == operand if isinstance(value, str) and isinstance(operand, str) else None


def _different(value: Any, operand: Any) -> Truth:
    return _negated(_equal(value, operand))


def _one_of(value: Any, operands: list[Any]) -> Truth:
    return _negated(_all(_negated(_equal(value, operand)) for operand in operands))


def _contains(value: Any, operand: str) -> Truth:
    if isinstance(value, list):
        return operand in [item for item in value if isinstance(item, str)]
    return operand in value if isinstance(value, str) else None


def _number(comparison: Callable[[float, float], bool]) -> Callable[[Any, float], Truth]:
    def compared(value: Any, operand: float) -> Truth:
        return comparison(value, operand) if isinstance(value, int | float) and not isinstance(value, bool) else None

    return compared


_COMPARISONS: dict[str, Callable[[Any, Any], Truth]] = {
    "is": _equal,
    "is_not": _different,
    "above": _number(lambda value, operand: value > operand),
    "below": _number(lambda value, operand: value < operand),
    "at_least": _number(lambda value, operand: value >= operand),
    "at_most": _number(lambda value, operand: value <= operand),
    "contains": _contains,
    "one_of": _one_of,
}
