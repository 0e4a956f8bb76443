"""Numbers as people write them."""

from __future__ import annotations


def plain(value: float) -> str:
    """`65`, `0.41`, `1500000`: six digits after the point at most, and no exponent but for what is smaller still."""
    if value and abs(value) < 1e-6:
        return f"{value:g}"
    return f"{value + 0.0:.6f}".rstrip("0").rstrip(".")
