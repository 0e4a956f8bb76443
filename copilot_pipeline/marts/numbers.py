"""Numbers as text."""

from __future__ import annotations

MINUS = "\N{MINUS SIGN}"


def plain(value: float) -> str:
    """Format a number with at most six decimals and no exponent (`65`, `0.41`, `1500000`), unless it is below 1e-6."""
    if value and abs(value) < 1e-6:
        return f"{value:g}"
    return f"{value + 0.0:.6f}".rstrip("0").rstrip(".")
