"""Text values that mean "no" or "nothing"."""

from __future__ import annotations

from copilot_pipeline.marts.model import Value

NOTHING = frozenset({"", "no", "none", "false", "n/a", "na", "null", "nothing", "absent", "none_found", "not_found"})
_WEAK = frozenset({"missing", "unknown", "weak", "uncovered"})
_NEGATING_FIRST_WORDS = frozenset({"no", "not", "none", "never"})


def normalized(text: str) -> str:
    """Return a category in the form in which it is compared: `Not mentioned.` becomes `not_mentioned`."""
    return "_".join(text.casefold().strip(" .!").split())


def is_affirmed(value: Value) -> bool:
    """Return whether a value is yes, a number other than 0, a list with items, or a text that does not negate."""
    if not isinstance(value, str):
        return bool(value)
    plain = normalized(value)
    return plain not in NOTHING | _WEAK and plain.split("_", 1)[0] not in _NEGATING_FIRST_WORDS
