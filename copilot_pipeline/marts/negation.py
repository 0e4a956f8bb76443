"""What a brick that answers in words says where there is nothing to say."""

from __future__ import annotations

from copilot_pipeline.marts.model import Value

NOTHING = frozenset({"", "no", "none", "false", "n/a", "na", "null", "nothing", "absent", "none_found", "not_found"})
_WEAK = frozenset({"missing", "unknown", "weak", "uncovered"})
_DENIALS = frozenset({"no", "not", "none", "never"})


def folded(text: str) -> str:
    """A category as it is compared: `Not mentioned.` is `not_mentioned`."""
    return "_".join(text.casefold().strip(" .!").split())


def is_affirmed(value: Value) -> bool:
    """Yes, a number that is not 0, a list with something in it, a text that does not say that there is nothing."""
    if not isinstance(value, str):
        return bool(value)
    plain = folded(value)
    return plain not in NOTHING | _WEAK and plain.split("_", 1)[0] not in _DENIALS
