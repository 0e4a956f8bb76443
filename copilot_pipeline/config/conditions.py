"""Conditions of `pipeline.yaml`, and whether one is true of a call.

If a brick has no value, every condition on it is false, including `not`. Evaluation is therefore three-valued, as in
SQL: a comparison with a missing value is neither true nor false but unknown, and so is its negation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pydantic import AliasChoices, ConfigDict, Field, model_validator

from copilot_pipeline.config.bricks import Brick, BrickRef, Scalar
from copilot_pipeline.config.types import Keys, Strict

OPERATORS = ("is", "is_not", "above", "below", "at_least", "at_most", "contains", "one_of")

Truth = bool | None


class ConditionSettings(Strict):
    """A comparison of a brick, or conditions combined with `all`, `any`, `not`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    brick: Brick | None = Field(default=None, description="The brick that is compared, as `kit.brick`.")
    is_: Scalar | None = Field(default=None, validation_alias="is", description="Equal to this value.")
    is_not: Scalar | None = Field(default=None, description="Has a value, and it differs from this one.")
    above: float | None = Field(default=None, allow_inf_nan=False, description="A score greater than this.")
    below: float | None = Field(default=None, allow_inf_nan=False, description="A score less than this.")
    at_least: float | None = Field(default=None, allow_inf_nan=False, description="A score of this or more.")
    at_most: float | None = Field(default=None, allow_inf_nan=False, description="A score of this or less.")
    contains: str | None = Field(default=None, description="A list with this item, or a text that contains this.")
    one_of: list[Scalar] | None = Field(default=None, min_length=1, description="Equal to one of these values.")
    all_: list[ConditionSettings] | None = Field(
        default=None, min_length=1, validation_alias=AliasChoices("all", "and"), description="Every condition is true."
    )
    any_: list[ConditionSettings] | None = Field(
        default=None,
        min_length=1,
        validation_alias=AliasChoices("any", "or"),
        description="At least one condition is true.",
    )
    not_: ConditionSettings | None = Field(
        default=None, validation_alias="not", description="The condition is false; a brick without a value is not."
    )

    @model_validator(mode="after")
    def _has_one_meaning(self) -> ConditionSettings:
        joined = [name for name in ("all_", "any_", "not_") if getattr(self, name) is not None]
        compared = [name for name in OPERATORS if self.operand(name) is not None]
        empty = self.model_fields_set - {*joined, "brick"} - {_attribute(name) for name in compared}
        if empty:
            name = min(empty).rstrip("_")
            raise ValueError(f"`{name}` compares with nothing; no condition is true of a brick without a value")
        if len(joined) > 1 or (joined and (compared or self.brick)):
            raise ValueError("is several conditions: put them under one `all` or `any`")
        if joined:
            return self
        if self.brick is None:
            raise ValueError("needs `brick`, or one of `all`, `any`, `not`")
        if len(compared) != 1:
            raise ValueError(f"needs one comparison of the brick: {', '.join(OPERATORS)}")
        return self

    def operand(self, operator: str) -> Any:
        """The value an operator compares with; None if it is not used."""
        return getattr(self, _attribute(operator))

    @property
    def children(self) -> tuple[tuple[Keys, ConditionSettings], ...]:
        """The conditions combined in this one, each with the keys that lead to it."""
        children: list[tuple[Keys, ConditionSettings]] = []
        for name, inner in (("all", self.all_), ("any", self.any_)):
            children += [((name, index), one) for index, one in enumerate(inner or ())]
        return (*children, *((("not",), self.not_),)) if self.not_ else tuple(children)

    def comparisons(self, keys: Keys = ()) -> Iterator[tuple[Keys, BrickRef, ConditionSettings]]:
        """Yield the keys that lead to each comparison, its brick, and itself."""
        if self.brick is not None:
            yield keys, self.brick, self
        for inner_keys, inner in self.children:
            yield from inner.comparisons((*keys, *inner_keys))


def _attribute(operator: str) -> str:
    return "is_" if operator == "is" else operator


def evaluate(condition: ConditionSettings, value_of: Callable[[BrickRef], Any]) -> Truth:
    """Return true, false, or None if a missing value leaves it open (Kleene).

    `value_of` returns the value of a brick, None if it has none.
    """
    if condition.all_ is not None:
        return _all(evaluate(inner, value_of) for inner in condition.all_)
    if condition.any_ is not None:
        return _negated(_all(_negated(evaluate(inner, value_of)) for inner in condition.any_))
    if condition.not_ is not None:
        return _negated(evaluate(condition.not_, value_of))
    assert condition.brick is not None  # holds for every condition that was validated
    operator = next(name for name in OPERATORS if condition.operand(name) is not None)
    return compare(operator, value_of(condition.brick), condition.operand(operator))


def compare(operator: str, value: Any, operand: Any) -> Truth:
    """Compare one value. None if it is missing or of another type than the operand."""
    if value is None:
        return None
    return _COMPARISONS[operator](value, operand)


def _all(truths: Iterable[Truth]) -> Truth:
    results = list(truths)
    return False if False in results else None if None in results else True


def _negated(truth: Truth) -> Truth:
    return None if truth is None else not truth


def _equal(value: Any, operand: Any) -> Truth:
    # In Python True == 1, but a yes/no brick is not a score of 1.
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
    def compare_numbers(value: Any, operand: float) -> Truth:
        return comparison(value, operand) if isinstance(value, int | float) and not isinstance(value, bool) else None

    return compare_numbers


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
